"""The command line: what it teaches, and what it says to mistakes."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.cells import ROOT, TINY, cell_of, composed

from stilts_xtreme.__main__ import main
from stilts_xtreme.cell.plan import plan
from stilts_xtreme.cell.run import run as cell_run
from stilts_xtreme.commands import flags
from stilts_xtreme.commands.plan import main as plan_main
from stilts_xtreme.core import compose
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.specs import Recipe


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs the application in this process: exit code, stdout, stderr."""

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["stilts_xtreme", *arguments])
        capsys.readouterr()
        try:
            code = main()
        except SystemExit as error:
            code = int(error.code or 0)
        return (code, *capsys.readouterr())

    return call


def refused(done: tuple[int, str, str], *words: str) -> str:
    """The one sentence of a refusal."""
    code, out, err = done
    assert code == 1, err
    assert out == ""
    lines = [line for line in err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, err
    said = [line for line in err.splitlines() if not re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ", line)]
    assert said == lines, "one sentence, beside what went on before"
    assert "Traceback" not in err
    for word in words:
        assert word in lines[0], lines[0]
    return lines[0]


def test_help_teaches(cli: Callable[..., Any]) -> None:
    code, out, err = cli("--help")
    assert code == 0
    assert err == ""
    assert len(re.findall(r"^ +python -m stilts_xtreme \S*(?:\+|'\+)", out, flags=re.MULTILINE)) == 3
    for group in ("intermediate", "target", "model", "data", "recipe", "trainer", "logger"):
        (line,) = re.findall(rf"^{group}: (.*)$", out, flags=re.MULTILINE)
        assert [name.strip() for name in line.split(",")] == compose.choices(group)
    assert re.search(r"^  seed=0 +The seed decides", out, flags=re.MULTILINE)


EXAMPLES = re.findall(r"python -m stilts_xtreme ((?:'?\+).*)", (ROOT / "conf" / "config.yaml").read_text())


@pytest.mark.parametrize("arguments", EXAMPLES)
def test_the_examples_of_help_plan(arguments: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stilts_xtreme.cell.config.machine.gpu_visible", lambda: True)
    words = [word for word in shlex.split(arguments) if not word.startswith("data.root")]
    assert plan_main([*words, f"output={tmp_path}"]) == 0


def test_cfg_job(cli: Callable[..., Any]) -> None:
    code, out, _ = cli("+intermediate=mnli", "target=xnli", "seed=7", "--cfg", "job")
    assert code == 0
    for line in ("seed: 7", "  name: xnli", "  kind: synthetic", "    datasets:"):
        assert line in out.splitlines()


def test_console_script_and_module_are_the_same() -> None:
    script = Path(sys.executable).parent / "stilts-xtreme"
    arguments = ["+intermediate=qqp", "+target=pawsx", "--cfg", "job"]
    module = subprocess.run(
        [sys.executable, "-m", "stilts_xtreme", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert module.returncode == 0, module.stderr
    if not script.exists():
        pytest.skip("the package is not installed")
    entry = subprocess.run([script, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (entry.returncode, entry.stdout) == (0, module.stdout)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            "+target=xnly",
            ("target=xnly", "did you mean 'xnli'", "pawsx, sib200, tatoeba, tydiqa, udpos, xcopa, xnli, xquad"),
        ),
        ("target=xnly", ("target=xnly", "did you mean 'xnli'")),
        ("+intermediate=mnl", ("intermediate=mnl", "did you mean 'mnli'", "squad_v2")),
        ("+intermediate=[mnli,squad]", ("intermediate=squad ", "did you mean 'squad_v", "hellaswag")),
        ("+target=xnli model=xlmr_bas", ("model=xlmr_bas", "did you mean 'xlmr_base'", "mini")),
        ("+target=xnli logger=wandbb", ("logger=wandbb", "did you mean 'wandb'", "csv, mlflow, none, tensorboard")),
        ("+target=xnli trainer=tpu", ("trainer=tpu", "auto, cpu, gpu")),
        ("+target=xnli data=hubb", ("data=hubb", "did you mean 'hub'", "synthetic")),
        ("+target=xnli recipe=phang", ("recipe=phang", "did you mean 'phang2020'", "xtreme")),
        ("+target=xnli sed=3", ("option=sed", "did you mean 'seed'", "baseline")),
        ("+target=xnli +sed=3", ("option=sed", "did you mean 'seed'", "baseline")),
        ("+intermediate=mnli +targt=xnli", ("option=targt", "did you mean 'target'")),
        ("+intermediate=mnli targt=xnli", ("option=targt", "did you mean 'target'")),
        ("+target=xnli trainer.acumulation=3", ("option=trainer.acumulation", "did you mean 'trainer.accumulation'")),
        ("+target=xnli +trainer.acumulation=3", ("option=trainer.acumulation", "did you mean 'trainer.accumulation'")),
        ("+target=xnli +evaluation.nbest=3", ("option=evaluation.nbest", "did you mean 'evaluation.n_best'")),
        ("+target=xnli +model.pretraining.step=3", ("option=model.pretraining.step", "did you mean")),
        (
            "+target=xnli recipe.target.learning_rat=1",
            ("recipe.target.learning_rat ", "did you mean 'recipe.target.learning_rate'", "recipe.target.epochs"),
        ),
        (
            "+target=xnli +recipe.target.learning_rat=1",
            ("recipe.target.learning_rat ", "did you mean 'recipe.target.learning_rate'", "recipe.target.epochs"),
        ),
        (
            "+target=xnli +recipe.target.tasks.xnli.epoch=1",
            ("recipe.target.tasks.xnli.epoch ", "did you mean 'recipe.target.tasks.xnli.epochs'"),
        ),
        (
            "+target=xquad +recipe.target.tasks.squad_v1.epochs=1",
            ("task of recipe.target.tasks=squad_v1 is not known", "mlqa, panx, pawsx", "xquad"),
        ),
        (
            "+intermediate=mnli +recipe.intermediate.tasks.mnly.epochs=1",
            ("task of recipe.intermediate.tasks=mnly", "did you mean 'mnli'"),
        ),
        (
            "+intermediate=squad_v1 recipe.intermediate.tasks.squad_v1.max_steps=-5",
            ("recipe.intermediate.tasks.squad_v1.max_steps=-5", "whole number of at least 1"),
        ),
        (
            "+intermediate=squad_v1 recipe.intermediate.max_length=3",
            ("recipe.intermediate.max_length=3", "whole number of at least 8"),
        ),
        ("+target=xnli +recipe.target.tasks.xnli.freeze=9", ("recipe.target.tasks.xnli.freeze=9", "embeddings or 1")),
        (
            "+target=xnli dataset.xnli.source_language=de",
            ("dataset.xnli.source_language=de", "xnli is trained on mnli", "take null"),
        ),
        ("+target=xnli trainer.extra={profiler:simple}", ("option=trainer.extra", "write ++trainer.extra=")),
        ("+target.languages=[en]", ("target lacks name, head, metric", "+target=TASK")),
        ("+target=xnli recipe.target.learning_rate=-1", ("recipe.target.learning_rate=-1", "a number above 0")),
        ("+target=xnli recipe.target.learning_rate=fast", ("recipe.target.learning_rate=fast", "a number above 0")),
        ("+target=xnli recipe.target.learning_rate=inf", ("recipe.target.learning_rate=inf", "a number above 0")),
        ("+target=xnli recipe.target.batch_size=1.5", ("recipe.target.batch_size=1.5", "whole number of at least 1")),
        ("+target=xnli recipe.target.batch_size=0", ("recipe.target.batch_size=0", "whole number of at least 1")),
        ("+target=xnli recipe.target.warmup_steps=-3", ("recipe.target.warmup_steps=-3", "whole number")),
        ("+target=xnli recipe.target.warmup_ratio=1.5", ("recipe.target.warmup_ratio=1.5", "at most 1")),
        ("+target=xnli recipe.target.dropout=much", ("recipe.target.dropout=much", "must be a number")),
        *(
            (f"+target=xnli recipe.target.freeze={part}", (f"recipe.target.freeze={part}", "embeddings", "layers"))
            for part in ("0", "1.5", "true", "embedding", "3")
        ),
        ("+target=xnli recipe.target.dropout=1", ("recipe.target.dropout=1", "below 1")),
        ("+intermediate=mnli +target.candidates=xnli", ("target lacks name, head", "+target=TASK")),
        ("+intermediate.mnly.metric=accuracy", ("intermediate.mnly lacks head, datasets", "+intermediate=TASK")),
        ("+target=xnli recipe.target.selection=bst", ("recipe.target.selection=bst", "did you mean 'best'", "last")),
        ("+target=xnli model.pretraining.steps=0", ("model.pretraining.steps=0", "whole number of at least 1")),
        ("+target=xnli model.pretraining.flops=0", ("model.pretraining.flops=0", "a number above 0")),
        ("+target=xnli model.pretraining.flops=much", ("model.pretraining.flops=much", "a number above 0")),
        ("+target=xnli model.pretraining.flops=inf", ("model.pretraining.flops=inf", "a number above 0")),
        ("+target=xnli model.pretraining.flops=1e9", ("flops=1e+09", "one step of mini takes 2.84e+09 operations")),
        (
            "+target=xnli model.pretraining.flops=1e12 model.architecture.hidden_size=wide",
            ("model.architecture.hidden_size=wide", "whole number of at least 1"),
        ),
        ("+target=xnli control=steps2", ("control=steps2", "placebo")),
        ("+target=xnli volume_steps=all", ("volume_steps=all", "own, whole")),
        ("+target=xnli trainer.precision=16", ("trainer.precision=16", "32-true, auto, bf16-mixed")),
        ("+target=xnli trainer.precision=bf16-true", ("trainer.precision=bf16-true", "32-true, auto, bf16-mixed")),
        ("+target=xnli trainer.devices=2", ("trainer.devices=2", "one process on one device")),
        ("+target=xnli trainer.progress=no", ("trainer.progress=no", "true or false")),
        ("+target=xnli baseline=no", ("baseline=no", "true or false")),
        ("+target=xnli seed=-1", ("seed=-1", "whole number of at least 0")),
        (f"+target=xnli seed={2**63}", (f"seed={2**63}", "below 2**32")),
        ("+target=xnli model.name=../../x", ("model.name='../../x'", "part of a folder's name")),
        ("+target=xnli model.name=.hidden", ("model.name='.hidden'", "does not begin with a dot")),
        (f"+target=xnli model.name={'x' * 250}", ("model.name=xxx", "1 to 100 bytes")),
        ("+target=xnli target.name=/tmp/x", ("target.name='/tmp/x'", "part of a folder's name")),
        ("+target=xnli model.name=${oc.env:HOME}", ("model.name=${oc.env:HOME}", "given as a text")),
        ("+target=xnli seed=x", ("seed=x", "whole number of at least 0")),
        ("+target=xnli seed=true", ("seed=true", "whole number of at least 0")),
        ("+target=xnli store.damaged=repair", ("store.damaged=repair", "refuse, retrain")),
        ("+target=xnli tagging.first_token=last", ("tagging.first_token=last", "any, content")),
        ("+target=xnli retrieval.pooling=max", ("retrieval.pooling=max", "cls, mean")),
        ("+target=xnli evaluation.n_best=0", ("evaluation.n_best=0", "whole number")),
        ("+target=xnli target.metric=accurac", ("target.metric=accurac", "did you mean 'accuracy'")),
        ("+target=xnli target.head=clasification", ("target.head=clasification", "did you mean 'classification'")),
        ("+target=xnli languages=[de]", ("languages=de", "qaa, qab")),
        ("+target=xnli languages=de", ("languages=de", "available", "all", "list")),
        ("+target=xnli data.world.tests=3", ("data.world.tests",)),
        ("+target=xnli data.root=/no/such/folder data=hub", ("data.root=/no/such/folder", "is not a folder")),
        ("+target=xnli data.bad_rows=fix", ("data.bad_rows=fix", "refuse, skip")),
        ("+target=xnli model.corpus=xnli", ("model.corpus=xnli", "data=hub")),
        ("+target=xnli model=/no/such/encoder", ("/no/such/encoder", "config.json")),
        ("+target=xnli model=custom", ("model=custom", "hub id, a folder or an architecture")),
        ("seed=1", ("Nothing to do", "+target=TASK")),
        ("+intermediate=none", ("Nothing to do",)),
        ("+target=[", ("[",)),
        ("+target=xnli seed", ("seed",)),
    ],
)
def test_mistakes_get_one_sentence(
    cli: Callable[..., Any], tmp_path: Path, arguments: str, words: tuple[str, ...]
) -> None:
    refused(cli(*arguments.split(), f"output={tmp_path / 'out'}"), *words)
    assert not (tmp_path / "out").exists(), "nothing was made"


TOP = (
    "baseline, benchmark, bitext, callbacks, control, data, evaluation, intermediate, languages, logger, merge, mlm, "
    "model, output, recipe, retrieval, sampling, seed, shots, store, study, sweep, tagging, target, trainer, "
    "translation, volume, volume_steps."
)


@pytest.mark.parametrize(
    ("argument", "near", "listed"),
    [
        ("see=1", "seed", TOP),
        ("modle=mini", "model", TOP),
        ("intermediat=mnli", "intermediate", TOP),
        ("trainr.threads=1", "trainer.threads", TOP),
        ("seeed=1", "seed", TOP),
        (
            "recipe.learning_rate=1",
            "recipe.target.learning_rate",
            "recipe.intermediate, recipe.name, recipe.shots_rate, recipe.source, recipe.sources, recipe.target.",
        ),
        ("data.wrld.test=1", "data.world.test", "data.bad_rows, data.kind, data.root, data.world."),
    ],
)
def test_a_mistyped_option_gets_a_short_list(cli: Callable[..., Any], argument: str, near: str, listed: str) -> None:
    said = refused(cli("+target=xnli", argument))
    name = argument.split("=")[0]
    assert said == f"error: option={name} is not known (did you mean '{near}'?); choose one of: {listed}"


def test_the_last_part_of_several_options_names_the_nearest(cli: Callable[..., Any]) -> None:
    meant = "'shots.learning_rate', 'recipe.target.learning_rate' or 'model.pretraining.learning_rate'"
    assert f"option=learning_rate is not known (did you mean {meant}?)" in refused(
        cli("+target=xnli", "learning_rate=1")
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["+target=xnli", "study.name=x"],
            ("names no study that has it", "+study=NAME", "sizes, volume_vs_size, volumes."),
        ),
        (["target.languages=[qab]"], ("names no target that has it", "+target=NAME", "xnli")),
        (["+target=xnli", "target.candidates=x"], ("names no target that has it", "lareqa")),
        (["+target=xnli", "target.nme=x"], ("target.nme is not known (did you mean 'target.name'?)",)),
        (["+study=volumes", "study.nme=x"], ("study.nme is not known (did you mean 'study.name'?)",)),
    ],
)
def test_an_option_of_a_group_that_the_command_does_not_name(
    cli: Callable[..., Any], arguments: list[str], words: tuple[str, ...]
) -> None:
    said = refused(cli(*arguments))
    assert all(word in said for word in words), said


def test_mistakes_are_refused_in_a_fresh_process(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "stilts_xtreme", "+target=xnly"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)


def test_recipe_fields_are_all_refused_when_negative(cli: Callable[..., Any]) -> None:
    for name in Recipe.__dataclass_fields__:
        refused(cli("+target=xnli", f"recipe.target.{name}=-5"), f"recipe.target.{name}=-5")


def encoder(folder: Path, model_type: str) -> Path:
    from transformers import AutoConfig, AutoModel

    shape = {"vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    AutoModel.from_config(AutoConfig.for_model(model_type, **shape)).save_pretrained(folder)
    return folder


def test_a_decoder_is_refused(cli: Callable[..., Any], tmp_path: Path) -> None:
    folder = encoder(tmp_path / "gpt", "gpt2")
    done = cli("+target=xnli", f"model={folder}", "data=synthetic", *TINY[5:], f"output={tmp_path / 'out'}")
    refused(done, "is a gpt2 model", "not a masked-language-model encoder")


def test_a_folder_is_an_encoder(cli: Callable[..., Any], outputs: Path, tmp_path: Path) -> None:
    """Any saved encoder with its tokenizer, here the embedded one, in a folder whose name needs quotes."""
    key = plan(cell_of("+target=tatoeba", *TINY)).stages()[0].key
    folder = tmp_path / "it's an encoder, isn't it"
    shutil.copytree(outputs / "stages" / key / "models" / "pretrained", folder)
    done = cli("+target=tatoeba", f"model={folder}", "data=synthetic", *TINY[5:], f"output={tmp_path / 'out'}")
    assert done[0] == 0, done[2]
    (result,) = [json.loads(path.read_text()) for path in (tmp_path / "out").glob("cells/*/result.json")]
    assert result["model"] == folder.name
    assert [stage["kind"] for stage in result["stages"]] == ["evaluate", "floors"]
    expected = cell_run(composed("+target=tatoeba", *TINY, f"output={outputs}"))
    assert [row["value"] for row in result["rows"]] == [row["value"] for row in expected["rows"]]


@pytest.mark.parametrize("proxy", [{}, {"HTTP_PROXY": "http://127.0.0.1:9", "HTTPS_PROXY": "127.0.0.1:9"}])
def test_hub_id_without_a_network_says_what_to_do(tmp_path: Path, proxy: dict[str, str]) -> None:
    environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    environment |= {"HF_HOME": str(tmp_path / "hf"), "HF_ENDPOINT": "http://127.0.0.1:9", **proxy}
    done = subprocess.run(
        [
            *(sys.executable, "-m", "stilts_xtreme", "+target=xnli", "model=owner/name", "data=synthetic"),
            *(*TINY[5:], f"output={tmp_path / 'out'}"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        env=environment,
    )
    refused((done.returncode, done.stdout, done.stderr), "owner/name", "hf download owner/name", "model=FOLDER")


def test_the_hub_is_asked_anew_and_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    from huggingface_hub import constants

    from stilts_xtreme.training import parents

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(parents, "OFFLINE", False)
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        address = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        for settings, offline in (({}, True), ({"https": address}, False), ({"no": address}, True)):
            monkeypatch.setattr(parents, "getproxies", lambda settings=settings: settings)
            parents._offline_if_unreachable()
            assert constants.HF_HUB_OFFLINE is offline
        monkeypatch.setattr(constants, "ENDPOINT", address)
        parents._offline_if_unreachable()
        assert constants.HF_HUB_OFFLINE is False
        monkeypatch.setattr(parents, "OFFLINE", True)
        parents._offline_if_unreachable()
        assert constants.HF_HUB_OFFLINE is True


def test_a_blind_split_is_never_scored(cli: Callable[..., Any], tmp_path: Path) -> None:
    """Refused at the door, before anything is trained for it."""
    done = cli("+target=xnli", "target.test=mnli", "data=hub", "data.root=null", f"output={tmp_path / 'out'}")
    refused(done, "test", "mnli is blind, never scored")
    assert not (tmp_path / "out").exists()


def test_sweep(cli: Callable[..., Any], outputs: Path) -> None:
    code, _, err = cli("-m", "+target=xnli", "seed=0,1", *TINY, f"output={outputs}")
    assert code == 0, err
    found = [json.loads(path.read_text()) for path in outputs.glob("cells/mini-none-xnli-seed*/result.json")]
    plain = {result["seed"]: result for result in found if len(result["comparison"]) == 3}
    assert {0, 1} <= set(plain)
    assert plain[0]["stages"][1]["key"] != plain[1]["stages"][1]["key"]
    assert plain[0]["stages"][0]["key"] == plain[1]["stages"][0]["key"]


def test_a_failing_job_of_a_sweep_fails_it(cli: Callable[..., Any], outputs: Path) -> None:
    refused_code, _, err = cli("-m", "+target=xnli", "seed=0,-1", *TINY, f"output={outputs}")
    assert refused_code == 1
    assert "error: seed=-1" in err


def test_multirun_of_groups_is_checked(cli: Callable[..., Any]) -> None:
    refused(cli("-m", "+target=xnli,xquat", "seed=0"), "target=xquat", "did you mean 'xquad'")


def test_errors_of_the_program_keep_their_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("stilts_xtreme.cell.run.run", broken)
    monkeypatch.setattr(sys, "argv", ["stilts_xtreme", "+target=xnli"])
    with pytest.raises(ZeroDivisionError):
        main()
    assert "HYDRA_FULL_ERROR" not in os.environ


def test_a_choice_wins_over_a_folder_of_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mini").mkdir()
    monkeypatch.chdir(tmp_path)
    assert compose.prepare(["model=mini"]) == ["model=mini"]


def test_an_output_that_is_no_folder_is_refused() -> None:
    for value in ("null", "''"):
        with pytest.raises(StiltsError, match="it must be the folder that a run writes to"):
            cell_of("+target=xnli", f"output={value}")


@pytest.mark.parametrize(("redirection", "why"), [(">/dev/full", "No space left on device"), (">&-", "it is closed")])
@pytest.mark.parametrize("option", ["--help", "--cfg job"])
def test_a_page_that_cannot_be_printed_is_an_error(redirection: str, why: str, option: str) -> None:
    line = f'"$0" -m stilts_xtreme {option} {redirection}'
    done = subprocess.run(
        ["bash", "-c", line, sys.executable], capture_output=True, text=True, check=False, timeout=60, cwd=ROOT
    )
    assert done.returncode == 1
    assert done.stderr == f"error: The standard output could not be written ({why}); send it elsewhere.\n"


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (["a=1", "--config-dir", "my", "b=2"], ["--config-dir", "my", "a=1", "b=2"]),
        (["a=1", "--config-dir=my", "b=2", "-m"], ["--config-dir=my", "-m", "a=1", "b=2"]),
        (["--config-dir", "x=1", "b=2"], ["--config-dir", "x=1", "b=2"]),
        (["a=1", "--cfg", "job", "~b"], ["--cfg", "job", "a=1", "~b"]),
        (["--info", "a=1"], ["--info", "a=1"]),
        (["a=1", "--info", "defaults", "b=2"], ["--info", "defaults", "a=1", "b=2"]),
        (["-m", "--flag", "a=1"], ["-m", "--flag", "a=1"]),
    ],
)
def test_flags_may_stand_between_options(given: list[str], wanted: list[str]) -> None:
    assert flags.ordered(given) == wanted


def test_a_folder_between_options_is_taken(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "stilts_xtreme", "seed=3", "--config-dir", str(tmp_path), "+target=xnli"]
    done = subprocess.run([*command, "--cfg", "job"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "seed: 3" in done.stdout

"""Fetching with the hub's real client from a small hub on this machine, and running from what was fetched."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from datasets import ClassLabel, Dataset
from huggingface_hub import constants
from support.cells import ROOT, cell_of, composed
from support.encoders import TEXTS, checkpoint, config_of, unigram
from support.fakehub import Fake, serving
from support.rows import INT, TEXT, write
from transformers import AutoModelForMaskedLM

from stilts_xtreme.cell.plan import plan
from stilts_xtreme.cell.requirements import Needs
from stilts_xtreme.cell.run import run
from stilts_xtreme.commands import fetch
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.schema import DataSpec
from stilts_xtreme.data import catalogue
from stilts_xtreme.data.hub import listing, mirror
from stilts_xtreme.data.hub.mirror import File, Mirror, Part, Repo
from stilts_xtreme.data.sources import source_of
from stilts_xtreme.models.encoder import Source, load

PAWS, ENCODER = "google-research-datasets/paws-x", "FacebookAI/xlm-roberta-base"
CELL = ("+target=pawsx", "model=xlmr_base", "languages=[en,de,zh]")
SECRET = "hf_" + "Sekret" * 6
PINNED = catalogue.load_spec("tatoeba").revision or ""


def paws(folder: Path, languages: str = "en de zh ko") -> Path:
    """A repository like PAWS-X: texts of many scripts in the hub's types."""
    for language in languages.split():
        for split, n in (("train", 8), ("validation", 4), ("test", 5)):
            texts = [TEXTS[(at + len(language)) % len(TEXTS)] for at in range(n)]
            columns = {
                "id": list(range(n)),
                "sentence1": texts,
                "sentence2": texts[::-1],
                "label": [0, 1] * (n // 2) + [1] * (n % 2),
            }
            features = {"id": INT, "sentence1": TEXT, "sentence2": TEXT, "label": ClassLabel(names=["0", "1"])}
            write(folder.parent, folder.name, language, split, columns, features)
    return folder


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    paws(folder / "paws")
    checkpoint(folder / "encoder", "xlm-roberta", vocab_size=len(unigram()))
    unigram().save_pretrained(folder / "encoder")
    (folder / "encoder" / "tf_model.h5").write_bytes(b"what nothing here reads")
    (folder / "encoder" / "onnx").mkdir()
    (folder / "encoder" / "onnx" / "model.safetensors").write_bytes(b"nor this")
    return folder


@pytest.fixture
def hub(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fake]:
    fake = Fake()
    fake.add("datasets", PAWS, made / "paws")
    fake.add("models", ENCODER, made / "encoder", "2e" * 20)
    for name in (
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "http_proxy",
        "https_proxy",
        "all_proxy",
        "STILTS_DATA_ROOT",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_TOKEN", SECRET)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with serving(fake):
        monkeypatch.setattr(constants, "ENDPOINT", fake.url)
        template = fake.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        yield fake


@pytest.fixture
def bring(hub: Fake, tmp_path: Path, capsys: pytest.CaptureFixture) -> Callable[..., tuple[int, str]]:
    """Runs the command for a root in this process: exit code and all that it said."""

    def go(*arguments: str, root: Path | None = None) -> tuple[int, str]:
        code = fetch.main([*(arguments or CELL), f"data.root={root or tmp_path / 'root'}"])
        said = capsys.readouterr()
        assert SECRET not in said.out + said.err
        return code, said.out + said.err

    return go


def files_below(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in (".fetch.lock", mirror.RECORD)
    }


def test_what_a_cell_needs_is_brought_and_runs_without_network(
    hub: Fake, bring: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, said = bring()
    assert code == 0, said
    root = tmp_path / "root"
    data, model = hub.repos[f"datasets/{PAWS}"]["1" * 40], hub.repos[f"models/{ENCODER}"]["2e" * 20]
    tests = [f"{language}/test-00000-of-00001.parquet" for language in ("en", "de", "zh")]
    english = [f"en/{split}-00000-of-00001.parquet" for split in ("train", "validation")]
    wanted = {f"{PAWS}/{path}": data[path] for path in ("README.md", *english, *tests)}
    beside = ("config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors")
    wanted |= {f"models/{ENCODER}/{path}": model[path] for path in model if path in beside}
    assert files_below(root) == wanted
    assert all(token in (f"Bearer {SECRET}", None) for token in hub.tokens)

    sent = len(hub.sent)
    code, said = bring()
    assert (code, len(hub.sent)) == (0, sent)
    assert f"0 files brought (0 bytes), {len(wanted)} verified" in said

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")  # nothing listens there
    tiny = ("recipe.target.max_steps=2", "recipe.target.max_length=32", "recipe.target.batch_size=4", "logger=none")
    arguments = (*CELL, *tiny, f"data.root={root}", "trainer=cpu", "trainer.threads=1", "trainer.progress=false")
    result = run(composed(*arguments, f"output={tmp_path / 'out'}"))
    assert [line["language"] for line in result["comparison"]] == ["en", "de", "zh"]
    assert {line["n"] for line in result["comparison"]} == {5}
    origin = plan(cell_of(*arguments)).final.chain()[0].origin
    assert (origin.id, origin.revision) == (ENCODER, "2e" * 20)
    assert plan(cell_of(*arguments, "model.revision=" + "2e" * 20)).final.key == plan(cell_of(*arguments)).final.key


def test_a_count_that_moved_warns_of_what_was_fetched(bring: Callable, tmp_path: Path, caplog: Any) -> None:
    assert bring()[0] == 0
    spec, data = catalogue.load_spec("paws_x"), DataSpec("hub", str(tmp_path / "root"))
    with caplog.at_level(logging.WARNING):
        source_of(spec, data).rows("test", "de")
    assert "paws_x/test/de: 5 rows read, 2000 declared" in caplog.text
    caplog.clear()
    (tmp_path / "root" / PAWS / mirror.RECORD).unlink()  # a folder of the user's own, where a cut is normal
    with caplog.at_level(logging.WARNING):
        source_of(spec, data).rows("test", "de")
    assert not caplog.text


def test_a_dry_run_lists_files_and_sizes_and_writes_nothing(hub: Fake, bring: Callable, tmp_path: Path) -> None:
    code, said = bring(*CELL, "--dry-run")
    assert code == 0
    assert not (tmp_path / "root").exists()
    assert {path.rpartition("/")[2] for path in hub.sent} == {"README.md"}
    size = len(hub.repos[f"datasets/{PAWS}"]["1" * 40]["zh/test-00000-of-00001.parquet"])
    assert f"{size:>14,}  {PAWS}/zh/test-00000-of-00001.parquet" in said
    assert "tf_model" not in said
    assert "ko/" not in said


def test_an_interrupted_fetch_goes_on_file_by_file(hub: Fake, bring: Callable, tmp_path: Path) -> None:
    def broken(path: str, data: bytes) -> bytes:
        return data[: len(data) // 2] if path.startswith("en/validation") else data

    hub.spoil = broken  # the length stays that of half a file, and so does the digest
    code, said = bring()
    assert code == 1
    assert (
        "en/validation-00000-of-00001.parquet of 'google-research-datasets/paws-x' arrived with" in said
        or "hub" in said
    )
    there = files_below(tmp_path / "root")
    assert not any(path.startswith(f"{PAWS}/en/validation") for path in there)
    before = len(hub.sent)
    hub.spoil = lambda path, data: data
    code, said = bring()
    assert code == 0, said
    again = hub.sent[before:]
    assert f"datasets/{PAWS}/en/validation-00000-of-00001.parquet" in again
    assert not {path for path in again if path.removeprefix("datasets/") in there and not path.endswith("README.md")}
    assert not (tmp_path / "root" / mirror.SCRATCH).exists()


def test_other_bytes_of_the_same_length_are_never_taken(hub: Fake, bring: Callable, tmp_path: Path) -> None:
    hub.spoil = lambda path, data: data[:-1] + bytes([data[-1] ^ 1]) if path.endswith(".parquet") else data
    code, said = bring()
    assert code == 1
    assert "that are not the" in said
    assert not any(path.endswith(".parquet") for path in files_below(tmp_path / "root"))


def test_a_killed_fetch_leaves_whole_files_only(hub: Fake, bring: Callable, tmp_path: Path) -> None:
    reached, let_go = threading.Event(), threading.Event()

    def slow(path: str, data: bytes) -> bytes:
        if path == "model.safetensors":
            reached.set()
            let_go.wait(60)
        return data

    hub.spoil = slow
    environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf"), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "stilts_xtreme.fetch", *CELL, f"data.root={tmp_path / 'root'}"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        assert reached.wait(120)
    finally:
        process.kill()
        process.communicate()
        let_go.set()
    held = files_below(tmp_path / "root")
    whole = {key: value for key, value in held.items() if mirror.SCRATCH not in key}
    assert whole
    assert "model.safetensors" not in {Path(path).name for path in whole}
    with pytest.raises(StiltsError, match=f"lacks model.safetensors.*fetch {ENCODER} again"):
        cell_of(*CELL, f"data.root={tmp_path / 'root'}", "trainer=cpu")
    before = len(hub.sent)
    hub.spoil = lambda path, data: data
    assert bring()[0] == 0
    assert hub.sent[before:] == [f"models/{ENCODER}/model.safetensors"]
    assert whole.items() <= files_below(tmp_path / "root").items()


def test_what_is_damaged_is_brought_again_and_what_is_the_users_own_is_left(
    hub: Fake, bring: Callable, tmp_path: Path
) -> None:
    assert bring()[0] == 0
    path = tmp_path / "root" / PAWS / "de" / "test-00000-of-00001.parquet"
    good = path.read_bytes()
    path.write_bytes(good[:-3] + b"\0\0\0")
    before = len(hub.sent)
    assert bring()[0] == 0
    assert hub.sent[before:] == [f"datasets/{PAWS}/de/test-00000-of-00001.parquet"]
    assert path.read_bytes() == good

    own = tmp_path / "own"
    mine = own / PAWS / "zh" / "test-00000-of-00001.parquet"
    mine.parent.mkdir(parents=True)
    mine.write_bytes("mein 我的".encode())
    before = len(hub.sent)
    code, said = bring(root=own)
    assert code == 1
    assert f"{mine} is not what the hub has" in said.replace("\n", "")
    assert mine.read_bytes() == "mein 我的".encode()
    assert {Path(path).name for path in hub.sent[before:]} <= {"README.md"}  # refused before anything is brought


def test_a_folder_keeps_its_commit(hub: Fake, bring: Callable, tmp_path: Path) -> None:
    assert bring()[0] == 0
    paws(tmp_path / "new" / "paws", "en de zh ko ja")
    hub.add("datasets", PAWS, tmp_path / "new" / "paws", "9" * 40)
    code, said = bring("+target=pawsx", "model=xlmr_base", "languages=[en,ko]")
    assert code == 0, said
    old = hub.repos[f"datasets/{PAWS}"]["1" * 40]["ko/test-00000-of-00001.parquet"]
    assert (tmp_path / "root" / PAWS / "ko" / "test-00000-of-00001.parquet").read_bytes() == old
    record = yaml.safe_load((tmp_path / "root" / PAWS / mirror.RECORD).read_text())
    assert (record["commit"], record["revision"]) == ("1" * 40, None)
    assert {"ko/test-00000-of-00001.parquet", "de/test-00000-of-00001.parquet"} <= set(record["files"])
    code, said = bring(*CELL, "++dataset.paws_x.revision=" + "9" * 40)
    assert code == 1
    assert "take another data.root" in said


def tatoeba(folder: Path) -> Path:
    for code in ("deu", "cmn"):
        path = folder / "test" / f"{code}-eng.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('{"sentence1": "你好", "sentence2": "hello"}\n')
    configs = [{"config_name": f"{c}-eng", "data_files": f"test/{c}-eng.jsonl"} for c in ("deu", "cmn")]
    for config in configs:
        config["data_files"] = [{"split": "test", "path": config["data_files"]}]  # type: ignore[assignment]
    (folder / "README.md").write_text(f"---\n{yaml.safe_dump({'configs': configs})}---\n")
    return folder


def test_a_pinned_revision_is_what_is_asked_for(hub: Fake, bring: Callable, tmp_path: Path) -> None:
    hub.add("datasets", "mteb/tatoeba-bitext-mining", tatoeba(tmp_path / "pinned"), PINNED)
    hub.add("datasets", "mteb/tatoeba-bitext-mining", made_empty(tmp_path), "8" * 40)  # main has moved on
    code, said = bring("+target=tatoeba", "model=xlmr_base", "languages=[de,zh]")
    assert code == 0, said
    record = yaml.safe_load((tmp_path / "root" / "mteb" / "tatoeba-bitext-mining" / mirror.RECORD).read_text())
    assert record["commit"] == record["revision"] == PINNED
    rows, _ = source_of(catalogue.load_spec("tatoeba"), DataSpec("hub", str(tmp_path / "root"))).rows("test", "zh")
    assert rows["text_a"] == ["你好"]


def made_empty(folder: Path) -> Path:
    (folder / "empty").mkdir()
    (folder / "empty" / "README.md").write_text("moved\n")
    return folder / "empty"


@pytest.mark.parametrize(
    ("repo", "answer", "sentence"),
    [
        (
            f"datasets/{PAWS}",
            (401, "", "Invalid credentials in Authorization header"),
            "refuses the token.*paws-x' .401",
        ),
        (
            f"datasets/{PAWS}",
            (403, "GatedRepo", "x"),
            f"is gated: accept its terms at https://huggingface.co/datasets/{PAWS}",
        ),
        (f"models/{ENCODER}", (403, "GatedRepo", "x"), f"accept its terms at https://huggingface.co/{ENCODER} "),
        (f"datasets/{PAWS}", (404, "RepoNotFound", "x"), "The hub has no data set"),
        (f"models/{ENCODER}", (404, "RevisionNotFound", "x"), "has no revision 'main'"),
        (f"datasets/{PAWS}", (503, "", "x"), "The hub answers 503"),
    ],
)
def test_what_the_hub_refuses_is_one_sentence(
    hub: Fake, bring: Callable, tmp_path: Path, repo: str, answer: tuple, sentence: str
) -> None:
    hub.refuse[repo] = answer
    code, said = bring()
    assert code == 1
    error = said[said.index("error: ") :]
    assert "Traceback" not in said
    assert error.count("\n") == 1
    assert re.search(sentence, error), error


def test_no_network_is_one_sentence(hub: Fake, bring: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    code, said = bring()
    assert (code, "The hub cannot be reached for 'google-research-datasets/paws-x' (" in said) == (1, True)
    monkeypatch.setenv("HTTP_PROXY", f"http://user:{SECRET}@127.0.0.1:9")
    from huggingface_hub.utils import close_session

    close_session()  # the client reads proxies when it begins
    code, said = bring()
    assert (code, "through HTTP_PROXY" in said) == (1, True)
    monkeypatch.delenv("HTTP_PROXY")
    close_session()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    code, said = bring()
    assert (code, "HF_HUB_OFFLINE is set" in said) == (1, True)


def test_a_script_and_a_missing_language_are_refused(hub: Fake, bring: Callable, tmp_path: Path) -> None:
    code, said = bring("+target=pawsx", "model=xlmr_base", "languages=[en,fr]")
    assert code == 1
    assert "on the hub has no configuration 'fr'; it holds: de, en, ko, zh" in said.replace("(did you mean 'ko'?)", "")
    (tmp_path / "script").mkdir()
    (tmp_path / "script" / "paws-x.py").write_text("raise SystemExit('run')")
    hub.add("datasets", PAWS, tmp_path / "script", "7" * 40)
    code, said = bring()
    assert (code, "paws-x.py), which is never run" in said) == (1, True)


def test_only_the_shards_that_hold_the_first_rows_are_brought(hub: Fake, tmp_path: Path) -> None:
    folder = tmp_path / "wiki"
    for shard in range(3):
        path = folder / "20231101.sw" / f"train-0000{shard}-of-00003.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        Dataset.from_dict({"text": [f"maneno {shard}"] * 2}).to_parquet(path)
    hub.add("datasets", "wikimedia/wikipedia", folder)
    found = listing.list_files(Repo("wikimedia/wikipedia"), [Part("20231101.sw", "train", 3)], tmp_path / "root")
    Mirror(tmp_path / "root", lambda file, new: None).bring(found)
    there = files_below(tmp_path / "root" / "wikimedia")
    assert sorted(Path(path).name[:11] for path in there) == ["train-00000", "train-00001"]
    spec = catalogue.load_spec("wikipedia_mlm")
    assert "sw" in source_of(spec, DataSpec("hub", str(tmp_path / "root"))).languages("train")


def test_a_file_outside_of_its_repository_is_refused(hub: Fake, bring: Callable, tmp_path: Path) -> None:
    hub.repos[f"datasets/{PAWS}"]["1" * 40]["../../evil.parquet"] = b"x"
    code, said = bring()
    assert (code, "is outside of its repository" in said) == (1, True)
    assert not (tmp_path / "evil.parquet").exists()


def needs_of(*arguments: str, root: Path, many: bool = False) -> Needs:
    needs = Needs()
    for cell in fetch.cells_of(arguments, many):
        assert not isinstance(cell, StiltsError), cell
        needs.add(cell, root)
    return needs


def parts(needs: Needs, repo: str) -> set[tuple[str, str]]:
    return {(part.config, part.split) for found, all_of in needs.repos.items() if found.id == repo for part in all_of}


def test_a_study_needs_what_its_cells_need(tmp_path: Path) -> None:
    cut = ("+intermediate=anli,qqp,ccg,cosmosqa,commonsenseqa,mnli", "+target=xnli,panx,tatoeba,bucc2018")
    needs = needs_of("+study=phang2020", *cut, "model=xlmr_large", "trainer=gpu", root=tmp_path, many=True)
    ids = {repo.id for repo in needs.repos}
    assert {"FacebookAI/xlm-roberta-large", "facebook/anli", "tau/commonsense_qa", "mteb/BUCC"} <= ids
    assert "lighteval/siqa" not in ids  # no cell has XCOPA
    assert parts(needs, "nyu-mll/glue") == {
        *(("mnli", split) for split in ("train", "validation_matched")),
        *(("qqp", split) for split in ("train", "validation")),
    }
    assert {split for _, split in parts(needs, "facebook/xnli")} == {"test"}
    assert len(parts(needs, "facebook/xnli")) == 15
    panx = parts(needs, "unimelb-nlp/wikiann")
    assert {("en", "train"), ("en", "validation")} == {part for part in panx if part[1] != "test"}
    assert len(panx) == 42
    assert parts(needs, "mteb/BUCC") == {(f"{language}-en", "test") for language in ("de", "fr", "ru", "zh")}
    revisions = {repo.id: repo.revision for repo in needs.repos}
    assert revisions["allenai/cosmos_qa"] == "refs/convert/parquet"
    assert revisions["mteb/tatoeba-bitext-mining"] == PINNED
    said = "\n".join(needs.local)
    assert "LDC2005T13" in said
    assert "FOLDER/local/bucc2018" in said
    assert len(needs.local) == 2


def test_dev_rows_are_brought_also_where_no_weights_are_selected_by_them(tmp_path: Path) -> None:
    needs = needs_of("+target=panx", "model=xlmr_base", "recipe=mini", "languages=[sw]", root=tmp_path)
    assert parts(needs, "unimelb-nlp/wikiann") == {("en", "train"), ("en", "validation"), ("sw", "test")}


def test_rows_of_the_users_own_are_looked_for_in_the_folder(tmp_path: Path) -> None:
    command = ("+intermediate=[ccg,mnli]", "+target=bucc2018", "model=xlmr_base", "languages=[zh]")
    assert list(needs_of(*command, root=tmp_path).local.values()) == [{"en": None}, {"zh": None}]
    for name in ("x.train.tsv", "x.val.tsv"):
        (tmp_path / "local" / "ccg").mkdir(parents=True, exist_ok=True)
        (tmp_path / "local" / "ccg" / name).write_text("a b\tN N\n")
    for corpus in ("sample", "training"):
        for end in ("zh", "en", "gold"):
            (tmp_path / "local" / "bucc2018").mkdir(parents=True, exist_ok=True)
            (tmp_path / "local" / "bucc2018" / f"zh-en.{corpus}.{end}").write_text("x\ty\n")
    needs = needs_of(*command, root=tmp_path)
    assert not needs.local
    assert "mteb/BUCC" not in {repo.id for repo in needs.repos}
    own = needs_of("+target=udpos", "dataset.udpos.reader=conllu", "model=xlmr_base", root=tmp_path)
    assert {repo.id for repo in own.repos} == {ENCODER}
    assert "no CoNLL-U file" in "".join(own.local)


def test_an_encoder_of_our_own_needs_the_text_that_it_learns_from(tmp_path: Path) -> None:
    needs = needs_of("+target=xcopa", "model=mini", root=tmp_path)
    assert not any(repo.model for repo in needs.repos)
    assert {("et", "validation"), ("zh", "test")} <= parts(needs, "cambridgeltl/xcopa")
    assert ("default", "train") in parts(needs, "lighteval/siqa")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["+target=xnli"], "Where to? Give data.root=FOLDER"),
        (["+target=xnli", "data=synthetic", "data.root=x"], "Only data=hub is fetched"),
        (["+target=xnly", "data.root=x"], "did you mean 'xnli'"),
        (["+target=xnli", "data.root=x", "--dryrun"], "--dryrun is not an option of fetch"),
        (["data.root=x"], "Nothing to do"),
    ],
)
def test_bad_commands_are_one_sentence(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STILTS_DATA_ROOT", raising=False)
    assert fetch.main(arguments) == 1
    assert sentence in capsys.readouterr().err


def test_weights_that_are_no_safetensors_are_taken_where_there_are_no_others(tmp_path: Path) -> None:
    names = ("config.json", "pytorch_model.bin", "flax_model.msgpack", "sub/pytorch_model.bin", "spm.model", "x.py")
    chosen = listing._of_encoder(Repo("o/m", model=True), [File(name, 1) for name in names])
    assert [file.path for file in chosen] == ["config.json", "spm.model", "pytorch_model.bin"]
    with pytest.raises(StiltsError, match="holds no weights"):
        listing._of_encoder(Repo("o/m", model=True), [File("config.json", 1)])
    config = config_of("xlm-roberta")
    config.save_pretrained(tmp_path)
    torch.save(AutoModelForMaskedLM.from_config(config).state_dict(), tmp_path / "pytorch_model.bin")
    assert load(Source(str(tmp_path), "3" * 40)).config.model_type == "xlm-roberta"
    with pytest.raises(StiltsError, match="cannot be loaded"):  # a folder of anyone's: safetensors alone
        load(Source(str(tmp_path)))

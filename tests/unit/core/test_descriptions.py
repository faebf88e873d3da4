"""Every option is described above its line in the YAML, and --help shows it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from stilts_xtreme.commands import flags, help_page
from stilts_xtreme.core import compose, descriptions
from stilts_xtreme.core.errors import StiltsError

KNOWN = descriptions.every()


@pytest.mark.parametrize("group", compose.GROUPS)
def test_every_option_of_every_choice_has_a_description(group: str) -> None:
    lacking = set()
    for choice in compose.choices(group):
        target = [] if group in ("target", "intermediate") else ["+target=xnli"]
        cfg = compose.compose(compose.prepare([f"{group}={choice}", *target]), raw=True)
        options = {option for option, _ in help_page._options(cfg)}
        lacking |= {option for option in options if not descriptions.description(option, KNOWN)}
    assert not lacking


def test_every_choice_says_what_it_is() -> None:
    paths = [path for group in help_page.groups(()) for path in descriptions.files(group)]
    assert len(paths) > 60
    for path in paths:
        assert descriptions.read(path).about.endswith("."), path


def test_descriptions_are_sentences() -> None:
    for option, text in KNOWN.items():
        assert (
            text[0].isupper() or text[0].isdigit() or text.startswith(("true: ", "false: ", "pretrained, ", "{", "`"))
        ), (option, text)
        assert text.rstrip().endswith((".", ").")), (option, text)
        assert "\n" not in text


def test_comments_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "target" / "own.yaml"
    path.parent.mkdir()
    path.write_text(
        "# @package _global_\n# The file.\n# More of it.\n\n# What a is.\n# And more.\na: 1\n"
        "b:\n  # What c is.\n  c: |\n"
        "    # no comment\n    d: text\n  # What e is.\n  e: {f: 1,\n    g: 2}\n  h: 3\n# the end\n",
        encoding="utf-8",
    )
    found = descriptions.read(path)
    assert found.about == "The file. More of it."
    assert found.options == {"a": "What a is. And more.", "b.c": "What c is.", "b.e": "What e is."}
    path.write_text("# All about it.\nname: x\n# The head.\nhead: y\n", encoding="utf-8")
    assert descriptions.read(path) == descriptions.Described("All about it.", {"target.head": "The head."})


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["recipe.target.tasks.xnli.epochs"], None),
        (["recipe.target.freeze"], "embeddings: they are not"),
        (["model"], "XLM-R base: 12 layers"),
        (["model=xlmr_base"], "FacebookAI/xlm-roberta-base"),
        (["trainer"], "trainer.precision=auto"),
        (["+target"], "target.head="),
        (["dataset"], "tatoeba"),
        (["mlm"], "mlm.weight=null"),
        (["hydra/launcher"], "slurm"),
        (["seed", "volume"], "volume=null"),
        (["seed=7"], "seed=7 "),
        ([], "  seed=0 "),
    ],
)
def test_help_explains_what_is_asked(words: list[str], said: str | None) -> None:
    if said is None:
        with pytest.raises(StiltsError, match=r"did you mean 'recipe.target"):
            help_page.page(["--help", *words])
        return
    page = help_page.page([*words, "--help"])
    assert said in page
    assert all(len(line) <= 120 for line in page.splitlines() if line.startswith("  ") and ", " not in line)


def test_help_of_launchers_in_a_process_of_its_own() -> None:
    """Where nothing else has loaded Hydra's plugins."""
    command = [sys.executable, "-m", "stilts_xtreme", "--help", "hydra/launcher"]
    page = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "signal_seconds, max_jobs" in page


def test_help_of_own_yaml(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    text = "# My [red]own[/] task.\n\n# Its name.\nname: mine\n"
    (tmp_path / "target" / "mine.yaml").write_text(text, encoding="utf-8")
    assert "My [red]own[/] task." in help_page.page(["--config-dir", str(tmp_path), "--help", "target"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--resolve"], "--resolve is a part of --cfg"),
        (["--package", "x"], "--package is a part of --cfg"),
        (["--cfg", "job", "--info"], "--cfg and --info do not go together"),
        (["-m", "-c", "job"], "--multirun and --cfg do not go together"),
        (["--multirum"], "did you mean '--multirun'"),
        (["--info", "bogus"], "invalid choice: 'bogus'"),
        (["--cfg"], "expected one argument"),
        (["--experimental-rerun=x"], "pickle"),
    ],
)
def test_flags_that_do_not_go_together_are_one_sentence(words: list[str], said: str) -> None:
    with pytest.raises(StiltsError) as error:
        flags.answer(words)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_flags_that_are_hydras_go_to_hydra() -> None:
    for words in (["--info"], ["--cfg", "job", "--resolve"], ["-m", "seed=1,2"], ["--hydra-help"], ["+target=xnli"]):
        assert flags.answer(words) is None
    assert (flags.answer(["--version"]) or "").startswith("stilts_xtreme ")


@pytest.mark.parametrize("words", [["--info", "defaults"], ["--info", "config"]])
def test_information_is_printed_once(words: list[str]) -> None:
    done = subprocess.run([sys.executable, "-m", "stilts_xtreme", *words], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    headings = [line for line in done.stdout.splitlines() if line in ("Defaults List", "Config search path", "Config")]
    assert headings
    assert len(headings) == len(set(headings))

"""The frame of commands: their pages teach, their refusals are one sentence, and a line is read without running it."""

from __future__ import annotations

import importlib
import re
import shlex
import signal
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import pytest

from stilts_xtreme.core.command import Parser, command
from stilts_xtreme.core.errors import StiltsError

NAMES = (
    "plan",
    "fetch",
    "score",
    "submission",
    "store",
    "status",
    "track",
    "pretrain",
    "sweep.simulate",
    "report.scaling",
)


def parser_of(name: str) -> Parser:
    module = importlib.import_module(f"stilts_xtreme.{name}" if "." in name else f"stilts_xtreme.commands.{name}")
    found = module.parser()
    assert isinstance(found, Parser)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_a_page_teaches(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "FOLDER").mkdir()
    monkeypatch.chdir(tmp_path)
    parser = parser_of(name)
    page = parser.format_help()
    assert page.startswith(f"usage: python -m stilts_xtreme.{name} ")
    about = (parser.description or "").split("\n\n")[0]
    assert about.endswith(".")
    assert about.count(". ") == 0, "one sentence first"
    for action in parser._actions:
        assert action.help
        if action.option_strings and action.dest != "help":
            assert re.search(r"default: |; needed", action.help), action.dest
    examples = re.findall(rf"^  python -m stilts_xtreme\.{name} (.+)$", page, flags=re.MULTILINE)
    assert len(examples) >= 2
    for example in examples:
        parser.parse(shlex.split(example))


@pytest.fixture
def small() -> Parser:
    parser = Parser("small", "Does little.", ["--dry-run"])
    parser.add_argument("--dry-run", action="store_true", help="do nothing")
    parser.add_argument("--output", type=Path, help="where to")
    parser.takes_a_run()
    return parser


def test_options_stand_in_any_place(small: Parser) -> None:
    line = ["+target=xnli", "--output", "x", "~dataset.xnli.columns", "--dry-run", "seed=-1"]
    assert small.parse(line) == Namespace(
        dry_run=True,
        output=Path("x"),
        config_dir=None,
        options=["+target=xnli", "~dataset.xnli.columns", "seed=-1"],
    )


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (
            ["--dryrun", "+target=xnli"],
            "--dryrun is not an option of small (did you mean '--dry-run'?); choose one of: -h, --help, --dry-run, "
            "--output, --config-dir.",
        ),
        (["--dry"], "--dry is not an option of small (did you mean '--dry-run'?)"),
        (["--output"], "--output: expected one argument; --help shows how."),
    ],
)
def test_refusals_are_one_sentence(
    small: Parser, line: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(line, small, lambda options: pytest.fail("it ran")) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"error: {sentence}")
    assert said.count("\n") == 1


def test_how_a_command_ends(small: Parser, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(options: Namespace) -> None:
        raise StiltsError("It is wrong.")

    def err(options: Namespace) -> None:
        raise ValueError("a fault of the program")

    monkeypatch.setattr("sys.argv", ["small", "--dry-run"])
    assert command(None, small, lambda options: 3 if options.dry_run else 0) == 3
    assert command(["--dry-run"], small, lambda options: None) == 0
    assert command(["--dry-run"], small, refuse) == 1
    with pytest.raises(ValueError, match="a fault"):
        command(["--dry-run"], small, err)
    capsys.readouterr()
    assert command(["--dry-run", "-h"], small, refuse) == 0
    assert command([], small, refuse) == 2
    assert capsys.readouterr().out == small.format_help() * 2


def test_a_reader_that_has_read_enough_ends_a_command_quietly() -> None:
    code = """
from stilts_xtreme.core.command import Parser, command
parser = Parser("small", "Does little.", [])
parser.add_argument("--go", action="store_true")
raise SystemExit(command(["--go"], parser, lambda options: print("line\\n" * 100_000)))
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline() == "line\n"
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 128 + signal.SIGPIPE


def test_every_command_tells_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    for name in NAMES:
        assert command(["--version"], parser_of(name), lambda options: pytest.fail("it ran")) == 0
    said = set(capsys.readouterr().out.splitlines())
    assert len(said) == 1
    assert re.fullmatch(r"stilts_xtreme \d+\.\d+\.\d+", said.pop())

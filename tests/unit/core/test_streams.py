"""Standard streams that are closed, full, or gone."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from stilts_xtreme.core import streams

SMALL = """
import os, sys
from stilts_xtreme.core.command import Parser, command
parser = Parser("small", "Does little.", [])
parser.add_argument("--go", action="store_true")
def work(options):
    with open(sys.argv[1], "w") as file:
        print("a line")
        print("a word of progress", file=sys.stderr)
        print("in a file", file=file)
raise SystemExit(command(sys.argv[2:], parser, work))
"""
LONG = """
import sys
from stilts_xtreme.core.streams import steady
with steady(stop=False) as output:
    for _ in range(20_000):
        print("a line of some length")
        print("progress", file=sys.stderr)
    open(sys.argv[1], "w").write("the end")
    sys.stdout.flush()
print(output.gone, file=open(sys.argv[1], "a"))
"""


def shell(code: str, redirections: str, *words: str) -> subprocess.CompletedProcess[str]:
    line = f'"$0" -c "$CODE" "$@" {redirections}'
    return subprocess.run(
        ["bash", "-c", line, sys.executable, *words],
        env={**os.environ, "CODE": code},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("redirections", "why"), [(">/dev/full", "No space left on device"), (">&-", "it is closed"), ("<&- >&-", "closed")]
)
@pytest.mark.parametrize("option", ["--go", "--help"])
def test_what_a_command_could_not_print_is_an_error(tmp_path: Path, redirections: str, why: str, option: str) -> None:
    done = shell(SMALL, redirections, str(tmp_path / "file"), option)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: The standard output could not be written")
    assert why in last
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("redirections", ["2>&-", "2>/dev/full", "<&-", "<&- 2>&-"])
def test_a_command_needs_no_other_stream(tmp_path: Path, redirections: str) -> None:
    done = shell(SMALL, redirections, str(tmp_path / "file"), "--go")
    assert (done.returncode, done.stdout) == (0, "a line\n")


@pytest.mark.parametrize("redirections", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
def test_nothing_is_printed_into_a_file_that_took_the_place_of_a_closed_stream(
    tmp_path: Path, redirections: str
) -> None:
    shell(SMALL, redirections, str(tmp_path / "file"), "--go")
    assert (tmp_path / "file").read_text(encoding="utf-8").strip() in ("in a file", "")
    assert "line" not in (tmp_path / "file").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("redirections", "gone"),
    [("| head -1", True), ("2>&1 | head -1", True), (">/dev/full 2>&1", False), ("<&- >&- 2>&-", True)],
)
def test_a_training_goes_on_when_nobody_reads(tmp_path: Path, redirections: str, gone: bool) -> None:
    done = shell(LONG, redirections, str(tmp_path / "file"))
    assert (tmp_path / "file").read_text(encoding="utf-8") == f"the end{gone}\n"
    assert "Traceback" not in done.stderr


def test_a_training_goes_on_when_its_terminal_is_closed(tmp_path: Path) -> None:
    code = (
        "import os, sys, time\n"
        "from stilts_xtreme.core import streams\n"
        "with streams.outliving_terminal(), streams.steady(stop=False):\n"
        "    print('begun', flush=True)\n"
        "    while not os.path.exists(sys.argv[2]):\n"
        "        time.sleep(0.01)\n"
        "    print('nobody reads this', flush=True)\n"
        "    open(sys.argv[1], 'w').write('the end')\n"
    )
    child, terminal = pty.fork()
    if child == 0:
        os.execv(sys.executable, [sys.executable, "-c", code, str(tmp_path / "file"), str(tmp_path / "closed")])
    while b"begun" not in os.read(terminal, 1024):
        pass
    os.close(terminal)
    (tmp_path / "closed").touch()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert (tmp_path / "file").read_text(encoding="utf-8") == "the end"


def test_a_locale_without_a_letter_ends_no_command(tmp_path: Path) -> None:
    code = SMALL.replace("a line", "Türkçe")
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "file"), "--go"],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, b"T\\xfcrk\\xe7e\n")


def test_streams_of_somebody_else_are_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    before = sys.stdout
    with streams.steady(stop=True) as output:
        assert sys.stdout is before
        print("seen")
    assert output.failure is None
    assert capsys.readouterr().out == "seen\n"


def test_a_hangup_that_is_handled_already_stays_so() -> None:
    before = signal.signal(signal.SIGHUP, lambda *_: None)
    try:
        mine = signal.getsignal(signal.SIGHUP)
        with streams.outliving_terminal():
            assert signal.getsignal(signal.SIGHUP) is mine
    finally:
        signal.signal(signal.SIGHUP, before)

"""What a user reads on terminals of all kinds and in logs."""

from __future__ import annotations

import fcntl
import logging
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.cells import cell_len

from stilts_xtreme.core import progress, terminal

ROOT = Path(__file__).parents[3]
PROGRAM = """
import sys
from stilts_xtreme.core import progress, terminal
terminal.prepare()
console = terminal.Plain()
made = terminal.table("name", "score", right=("score",), title="a [red]title[/] \\xe9")
for name in sys.argv[1:]:
    made.add_row(name, "54.1 \\xb12.0\\u2020")
console.print(made)
console.line_of("[/] " + "word " * 40 + "end")
console.page("# head\\n\\n| a | b |\\n|---|---|\\n| " + "x" * 30 + " | \\\\[red] |")
with progress.phase("training [red]x[/]", 3) as bar:
    bar.advance(1, "loss [/]", tokens=30)
terminal.say("a\\x1b[31mline\\nand more")
terminal.out("out \\x1b]0;title\\x07 " + chr(0xdcff))
terminal.error("it \\x1b[2J failed\\nhere")
"""


def run(names: Sequence[str], errors: str = "strict", **environment: str) -> tuple[str, str]:
    """Standard output and error of the program in pipes."""
    clean = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "TERM", "FORCE_COLOR")}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *names], capture_output=True, cwd=ROOT, env={**clean, **environment}, check=True
    )
    return done.stdout.decode("utf-8", errors), done.stderr.decode("utf-8", errors)


def on_terminal(names: Sequence[str], width: int, **environment: str) -> str:
    """All output of the program on a pseudo-terminal."""
    clean = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR", "FORCE_COLOR")}
    process, fd = pty.fork()
    if process == 0:
        time.sleep(0.2)
        os.execve(sys.executable, [sys.executable, "-c", PROGRAM, *names], {**clean, "TERM": "xterm", **environment})
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    found = b""
    while True:
        try:
            piece = os.read(fd, 65536)
        except OSError:
            break
        if not piece:
            break
        found += piece
    os.close(fd)
    assert os.waitpid(process, 0)[1] == 0
    return found.decode("utf-8").replace("\r\n", "\n")


NAMES = ["[red]x[/]", "[/]", "n" * 200, "中文" * 10, "שלום", "a\x1b[31mb", ":smile:", "naïve"]


def test_a_pipe_gets_whole_lines_without_control_characters_and_with_times() -> None:
    out, err = run(NAMES)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", out + err)
    assert "n" * 200 in out
    assert "[red]x[/]" in out
    assert ":smile:" in out
    assert "a\\x1b[31mb" in out
    assert "| \\[red] |" in out  # Markdown as it is
    assert "[/] " + "word " * 40 + "end\n" in out
    said, error = err.splitlines()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d a\\x1b\[31mline\\nand more", said)
    assert error == "error: it \\x1b[2J failed\\nhere"
    widths = {cell_len(line) for line in out.splitlines() if line.startswith(("│", "┃"))}
    assert len(widths) == 1, "wide characters count twice"


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_no_character_is_lost_on_a_narrow_terminal(width: int) -> None:
    found = re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", on_terminal(NAMES, width, NO_COLOR="1"))
    assert found.count("n") >= 200
    table = [line for line in found.splitlines() if line.startswith(("│", "┃", "└"))]
    assert table
    assert max(cell_len(line) for line in table) <= width
    cells = "".join(line.split("│")[1].strip() for line in table if line.startswith("│"))
    assert "中文" * 10 in cells
    assert "n" * 200 in cells


@pytest.mark.parametrize(
    "environment", [{"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "latin-1"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}]
)
def test_an_encoding_without_the_characters_is_no_error(environment: dict[str, str]) -> None:
    out, err = run(["中文"], errors="replace", **environment)
    assert re.search(r"\\u4e2d\\u6587|中文|\\udce4", out)  # in the locale C an argument is undecoded bytes
    assert "54.1" in out
    assert "failed" in err


def test_a_terminal_that_cannot_draw_gets_lines() -> None:
    found = on_terminal(["x"], 80, TERM="dumb", NO_COLOR="1")
    assert "\x1b" not in found.replace("\\x1b", "")


def test_forced_colours_draw_no_bar_into_a_file() -> None:
    _, err = run(["x"], FORCE_COLOR="1")
    assert "\r" not in err
    assert "\x1b[?25l" not in err


def test_columns_in_the_environment_decide() -> None:
    out, _ = run(["n" * 100], COLUMNS="40")
    assert max(map(len, (line for line in out.splitlines() if line.startswith("│")))) <= 40


def test_a_stage_ends_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 2.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    with progress.phases() as seen, progress.phase("training", 600, show=False) as bar:
        bar.resume(100)
        bar.advance(500, tokens=8400)
    said = progress.closing({"steps": 600, "loss": 0.5123, "dev": {"xnli": 71.26}, "rows": {"xnli": 9}}, 12.3, seen)
    assert said == "600 steps, the first 100 of them before, loss 0.512, dev xnli 71.3, 12 s, 4,200 tokens/s"
    assert progress.closing({"rows": {"de": 20, "en": 30}}, 3.21, []) == "50 rows in 2 languages, 3.2 s"
    assert progress.closing({}, 100.0, []) == "2 min"


def test_a_warning_of_a_library_is_said_once_and_one_of_ours_each_time(capsys: pytest.CaptureFixture[str]) -> None:
    handler = terminal._Said()
    for _ in range(2):
        for name, text in (("py.warnings", "x.py:3: UserWarning: old\n  line\n"), ("stilts_xtreme.x", "again\x1b")):
            handler.emit(logging.LogRecord(name, logging.WARNING, "x.py", 1, text, None, None))
    said = [line[20:] for line in capsys.readouterr().err.splitlines()]
    assert said == ["warning: x.py:3: UserWarning: old", "warning: again\\x1b", "warning: again\\x1b"]


def test_consoles_are_made_in_one_place() -> None:
    """Another console would read markup in names, and let control characters pass."""
    for path in (ROOT / "stilts_xtreme").rglob("*.py"):
        if path.name != "terminal.py":
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"\bConsole\(|import .*\bConsole\b|from_markup|print\(f?\"error", text), path

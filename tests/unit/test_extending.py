"""The recipes of docs/extending.md, each followed to the letter: its files are written, its commands are run.

A paragraph that ends with ```FILE`:`` says where the block below it belongs. Commands are those of blocks without a
language. Each section begins in a folder of its own: a checkout, so that files of the package can be added too.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.cells import ROOT

PAGE = ROOT / "docs" / "extending.md"
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL))
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PARTS = ("stilts_xtreme", "conf", "hydra_plugins")
SMALL = (
    "recipe.intermediate.max_steps=4",
    "recipe.target.max_steps=4",
    "recipe.intermediate.tasks=null",
    "recipe.target.tasks=null",
    "evaluation.random_init=false",
    "evaluation.floors=false",
    "++data.world.train=200",
    "++data.world.validation=20",
    "++data.world.test=20",
    "++data.world.languages=2",
    "trainer=cpu",
    "trainer.threads=1",
    "trainer.progress=false",
)
"""Makes every run of a recipe a matter of seconds."""


def parts_of(section: str) -> tuple[dict[str, str], list[list[str]]]:
    """The files that a recipe has a reader write, and the words of its commands."""
    files, commands = {}, []
    for block in BLOCK.finditer(section):
        language, text = block.groups()
        before = section[: block.start()].rstrip().rpartition("\n\n")[2]
        place = re.search(r"`([^`\s]+)`:$", before)
        if place:
            assert place[1] not in files, f"{place[1]} is written twice"
            files[place[1]] = text
        elif not language:
            lines = text.replace("\\\n", " ").splitlines()
            commands += [shlex.split(line, comments=True) for line in lines if line.strip()]
    return files, commands


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what a run needs of this checkout."""
    for part in PARTS:
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


@pytest.mark.parametrize("name", SECTIONS)
def test_the_recipe_works(name: str, checkout: Path) -> None:
    files, commands = parts_of(SECTIONS[name])
    assert commands, "a recipe ends with a command"
    for place, text in files.items():
        path = checkout / place
        assert not path.exists(), f"{place} is there before the recipe"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for words in commands:
        done = run(words, checkout)
        assert done.returncode == 0, f"{shlex.join(words)}\n{done.stdout}\n{done.stderr}"
    assert [*checkout.glob("outputs/cells/*/result.json")], "a recipe runs a cell"


def run(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs a command of the page at tiny size."""
    assert words[0] == "python", words
    small = SMALL if words[1:3] == ["-m", "stilts_xtreme"] else ()
    environment = os.environ | {"PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    environment.pop("STILTS_DATA_ROOT", None)
    given = {word.partition("=")[0] for word in words}
    added = [option for option in small if option.partition("=")[0] not in given]
    command = [sys.executable, *words[1:], *added]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=500)


def test_the_reader_of_the_page_finds_files_and_commands() -> None:
    file, command = "```yaml\nx: 1\n```", "```\npython -m stilts_xtreme \\\n  +target=xnli  # so\n```"
    section = f"Write `a/b.yaml`:\n\n{file}\n\nRun it:\n\n{command}\n"
    assert parts_of(section) == ({"a/b.yaml": "x: 1\n"}, [["python", "-m", "stilts_xtreme", "+target=xnli"]])

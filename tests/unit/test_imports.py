"""What starts at once: commands and modules that never import the libraries that take seconds to load."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support.cells import ROOT
from support.scoring import make_folder

LEARNING = {"torch", "transformers", "pytorch_lightning", "wandb", "ray"}
ROWS = {"datasets", "pyarrow", "pandas"}
NUMBERS = {"numpy", "scipy", "sklearn"}
HEAVY = LEARNING | ROWS | {"scipy", "sklearn"}

# what is run by "python -m", and words of what it says; nothing heavy is loaded when it ends
COMMANDS = {
    "stilts_xtreme --help": ("recipe", "trainer"),
    "stilts_xtreme +target=xnly": ("did you mean 'xnli'",),
    "stilts_xtreme.plan --help": ("python -m stilts_xtreme.plan",),
    "stilts_xtreme.plan +intermediate=all +target=xnli": ("8 stages, each made once",),
    "stilts_xtreme.plan -m +study=phang2020 +target=xnli,panx seed=0,1 output={output}": (
        "controls of the study",
        "Critical path",
    ),
    "stilts_xtreme.status --help": ("--watch",),
    "stilts_xtreme.store --help": ("python -m stilts_xtreme.store",),
    "stilts_xtreme.fetch --help": ("python -m stilts_xtreme.fetch",),
    "stilts_xtreme.score --help": ("--write-labels",),
    "stilts_xtreme.score --predictions {files}/predictions --labels {files}/labels --benchmark xtreme": ("udpos",),
    "stilts_xtreme.predict --help": ("--against",),
    "stilts_xtreme.cost --help": ("--rounds",),
    "stilts_xtreme.submission --help": ("python -m stilts_xtreme.submission",),
    "stilts_xtreme.track --help": ("python -m stilts_xtreme.track",),
    "stilts_xtreme.pretrain --help": ("python -m stilts_xtreme.pretrain",),
}
# what is imported as a module
MODULES = {
    "stilts_xtreme": HEAVY | NUMBERS | {"hydra", "omegaconf"},
    "stilts_xtreme.tasks": HEAVY | NUMBERS,
    "stilts_xtreme.tasks.metrics": HEAVY | NUMBERS,
    "stilts_xtreme.tasks.predictions": HEAVY | NUMBERS,
    "stilts_xtreme.tasks.floors.fit": HEAVY,
    "stilts_xtreme.data.catalogue": HEAVY,
    "stilts_xtreme.cell.plan": HEAVY,
    "stilts_xtreme.cell.store": HEAVY,
    "stilts_xtreme.sweep.planning": HEAVY,
    "stilts_xtreme.report.matrix": HEAVY,
    "stilts_xtreme.report.scaling": HEAVY,
}
RUN = """
import runpy, sys
sys.argv = sys.argv[1:]
try:
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
except SystemExit as end:
    pass
print("loaded:", *sys.modules)
"""


def loaded(*command: str) -> tuple[set[str], str]:
    """The names of the modules that a process has at its end, and all that it says before."""
    done = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    said, _, names = done.stdout.rpartition("loaded:")
    return set(names.split()), said + done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_starts_at_once(command: str, tmp_path: Path) -> None:
    if "{files}" in command:
        make_folder(tmp_path, "xtreme")
    found, said = loaded("-c", RUN, *command.format(output=tmp_path / "none", files=tmp_path).split())
    light = HEAVY - {"scipy"} if "plan +" in command or "plan -m" in command else HEAVY  # plan counts seeds by it
    assert sorted(light & found) == [], said
    assert all(words in said for words in COMMANDS[command]), said
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("module", MODULES)
def test_a_module_is_light(module: str) -> None:
    found, _ = loaded("-c", f"import sys, {module}; print('loaded:', *sys.modules)")
    assert module in found
    assert sorted(MODULES[module] & found) == []


def test_what_is_heavy_would_be_seen() -> None:
    assert HEAVY & loaded("-c", "import sys, stilts_xtreme.models.encoder; print('loaded:', *sys.modules)")[0]
    assert "torch" in loaded("-c", RUN, "torch.utils.collect_env")[0]

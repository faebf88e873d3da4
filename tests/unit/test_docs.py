"""The check of the pages sees what is wrong on a page, and lets what is right pass."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.cells import ROOT


def _load() -> Any:
    spec = importlib.util.spec_from_file_location("check_of_pages", ROOT / "docs" / "check.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


check = _load()


@pytest.fixture
def project(tmp_path: Path) -> Callable[[str], list[str]]:
    """Writes a project with a page or two, and checks it."""

    def faults(text: str) -> list[str]:
        (tmp_path / "docs").mkdir(exist_ok=True)
        (tmp_path / "conf").mkdir(exist_ok=True)
        (tmp_path / "Makefile").write_text("test: install  ## run\ndocs-check:\n")
        (tmp_path / "docs" / "other.md").write_text("# One `word` more\n\n## Twice\n\n## Twice\n")
        (tmp_path / "README.md").write_text(text)
        return check.faults(tmp_path)

    return faults


@pytest.mark.parametrize(
    "text",
    [
        "[a](docs/other.md#one-word-more) [b](docs/other.md#twice-1) [c](#here) [d](https://x.org/y)\n\n## Here\n",
        "Write `conf/own.yaml`:\n\n```yaml\nname: x\n```\n",
        "Write `my/target/own.yaml`:\n\n```yaml\nname: x\n```\n\n`python -m stilts_xtreme.plan --config-dir my seed=1`",
        "`[a](nowhere.md)`\n\n```\n[b](nowhere.md)\n```\n",
        "`stilts_xtreme.plan`, `stilts_xtreme.cell.plan`, `stilts_xtreme.cell.plan.plan`, `conf/`",
        "```python\nfrom stilts_xtreme.cell.store import Store\n```\n",
        "```python\nfrom stilts_xtreme import __version__\n```\n",
    ],
)
def test_what_is_right_passes(project: Callable[[str], list[str]], text: str) -> None:
    assert project(text) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[a](docs/anther.md)", "leads to no file"),
        ("[a](docs/other.md#two)", "leads to no heading"),
        ("[a](docs/other.md#twice-2)", "leads to no heading"),
        ("[a](#nowhere)", "leads to no heading"),
        ('<img src="sweep.svg">', "leads to no file"),
        ("`stilts_xtreme.cell.plans`", "no module or name"),
        ("`stilts_xtreme.cell.plan.plam`", "no module or name"),
        ("`conf/target.yaml`", "there is no file"),
        ("```python\nfrom stilts_xtreme.cell.store import Stare\n```\n", "has no Stare"),
        ("```python\nprint(\n```\n", "does not parse"),
        ("```\nmake tests\n```\n", "make has no target tests"),
        ("text with `make tests` in it", "make has no target tests"),
        ("```\npython -m stilts_xtreme +target=xnly\n```\n", "did you mean 'xnli'"),
        ("a line that\nis broken, `python -m stilts_xtreme\n+target=xnly`", "did you mean 'xnli'"),
    ],
)
def test_what_is_wrong_is_seen(project: Callable[[str], list[str]], text: str, fault: str) -> None:
    (found,) = project(text)
    assert found.startswith("README.md: ")
    assert fault in found


GOOD = [
    "make docs-check",
    "make PYTHON=python3.11 test   # with a comment",
    "python -m stilts_xtreme --help",
    "stilts-xtreme +target=xnli seed=3",
    "$ time python -m stilts_xtreme '+intermediate=[mnli,squad_v1]' +target=xquad trainer=gpu",
    "python -m stilts_xtreme +target=xnli data=hub data.root=FOLDER > log.txt",
    "python -m stilts_xtreme -m '+intermediate=none,mnli' '+target=glob(x*)' seed=0,1 hydra.launcher.slots=2",
    "python -m stilts_xtreme.plan -m +study=phang2020 hydra/launcher=slurm hydra.launcher.partition=gpu",
    "python -m stilts_xtreme.fetch +target=xnli model=xlmr_base data.root=FOLDER --dry-run",
    "python -m stilts_xtreme.pretrain model=mini model.pretraining.steps=10",
    "python -m stilts_xtreme.score --predictions DIR --labels DIR --benchmark xtreme",
    "python -m stilts_xtreme.score --write-labels DIR +target=xnli",
    "python -m stilts_xtreme.submission outputs/cells/xlmr-* --output DIR --partial",
    "python -m stilts_xtreme.status SWEEP --graph=FILE.svg",
    "python -m stilts_xtreme.store gc --dry-run",
    "python -m benchmarks.training --head pairs",
]
BAD = {
    "make docs_check": "no target",
    "python -m stilts_xtrem": "no module",
    "python -m stilts_xtreme.plans --help": "no module",
    "python -m stilts_xtreme +target=xnli sed=3": "did you mean 'seed'",
    "python -m stilts_xtreme +target=xnli --multy": "",
    "python -m stilts_xtreme +target=xnli volume=-1": "volume",
    "python -m stilts_xtreme -m +target=xnli,panx recipe.target.epoch=1,2": "epochs",
    "python -m stilts_xtreme.plan -m +study=phang2021": "phang2020",
    "python -m stilts_xtreme.fetch +target=xnli data.root=FOLDER --dry": "",
    "python -m stilts_xtreme.pretrain model=mini model.pretraining.step=10": "steps",
    "python -m stilts_xtreme.score --prediction DIR": "prediction",
    "python -m stilts_xtreme.submission outputs/cells/x --outputs DIR": "--outputs",
    "python -m stilts_xtreme.status SWEEP --wach": "--watch",
    "python -m stilts_xtreme.store gc --dry": "--dry-run",
    "python -m stilts_xtreme.store clean": "gc",
    "python -m benchmarks.training --hed pairs": "--hed",
    "python -m stilts_xtreme '+target=xnli": "quotation",
}


@pytest.mark.parametrize("line", GOOD)
def test_commands_that_the_program_accepts(line: str) -> None:
    assert check.commands(f"```\n{line}\n```\n") == [line]
    assert check.fault_of(line, {"test", "docs-check"}) is None


@pytest.mark.parametrize("line", BAD)
def test_commands_that_the_program_refuses(line: str) -> None:
    fault = check.fault_of(line, {"test", "docs-check"})
    assert fault is not None
    assert BAD[line] in fault


def test_lines_that_are_no_commands_are_left_alone() -> None:
    text = "```\noutputs/cells/x\n    made by hand\n```\n`python -m stilts_xtreme +target=...` `seed=1`\n"
    text += "```yaml\nmake: x\n```\n"
    assert check.commands(text) == []


def test_commands_over_several_lines_are_one() -> None:
    text = "```bash\npython -m stilts_xtreme +target=xnli \\\n    seed=1\n```\n"
    assert check.commands(text) == ["python -m stilts_xtreme +target=xnli seed=1"]

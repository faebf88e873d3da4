"""Intermediate-task training for zero-shot cross-lingual transfer, on XTREME and XTREME-R.

From Python, everything that a program needs is here::

    from stilts_xtreme import ClassificationModule, Optimisation, TaskDataModule, run_cell

Each name is loaded when it is first asked for: ``import stilts_xtreme`` itself takes no time.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stilts_xtreme.cell.python import plan, run_cell
    from stilts_xtreme.core.errors import StiltsError
    from stilts_xtreme.report.benchmark.scorer import score
    from stilts_xtreme.report.python import draw_matrix, load_gains, load_languages, load_results
    from stilts_xtreme.tasks.bitext_mining.module import BitextMiningModule
    from stilts_xtreme.tasks.classification.module import ClassificationModule
    from stilts_xtreme.tasks.metrics.official import OfficialMetric
    from stilts_xtreme.tasks.multiple_choice.module import MultipleChoiceModule
    from stilts_xtreme.tasks.optimisation import Optimisation
    from stilts_xtreme.tasks.options import HeadOptions
    from stilts_xtreme.tasks.question_answering.module import QuestionAnsweringModule
    from stilts_xtreme.tasks.ranking.module import RankingModule
    from stilts_xtreme.tasks.retrieval.module import RetrievalModule
    from stilts_xtreme.tasks.tagging.module import TaggingModule
    from stilts_xtreme.training.datamodule import TaskDataModule

__version__ = "0.1.0"

# "python -m stilts_xtreme.plan" finds the module in the room of the commands
__path__.append(str(Path(__file__).parent / "commands"))

_PLACES = {
    "BitextMiningModule": "tasks.bitext_mining.module",
    "ClassificationModule": "tasks.classification.module",
    "HeadOptions": "tasks.options",
    "MultipleChoiceModule": "tasks.multiple_choice.module",
    "OfficialMetric": "tasks.metrics.official",
    "Optimisation": "tasks.optimisation",
    "QuestionAnsweringModule": "tasks.question_answering.module",
    "RankingModule": "tasks.ranking.module",
    "RetrievalModule": "tasks.retrieval.module",
    "StiltsError": "core.errors",
    "TaggingModule": "tasks.tagging.module",
    "TaskDataModule": "training.datamodule",
    "draw_matrix": "report.python",
    "load_gains": "report.python",
    "load_languages": "report.python",
    "load_results": "report.python",
    "plan": "cell.python",
    "run_cell": "cell.python",
    "score": "report.benchmark.scorer",
}
"""Public name -> the module that has it."""

__all__ = [
    "BitextMiningModule",
    "ClassificationModule",
    "HeadOptions",
    "MultipleChoiceModule",
    "OfficialMetric",
    "Optimisation",
    "QuestionAnsweringModule",
    "RankingModule",
    "RetrievalModule",
    "StiltsError",
    "TaggingModule",
    "TaskDataModule",
    "draw_matrix",
    "load_gains",
    "load_languages",
    "load_results",
    "plan",
    "run_cell",
    "score",
]


class _Package(ModuleType):
    """The package, in which a public function is not replaced by the module of the command with the same name."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _PLACES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(f"{__name__}.{_PLACES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

"""What a study concludes: one module for each analysis.

A module has ``analyse(cells)``, which answers the study's question, and ``lacking(planned)``, which says before
anything is trained why cells cannot answer it.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import replace
from types import ModuleType

from stilts_xtreme.core.errors import StiltsError, unknown
from stilts_xtreme.report.results import FinishedCell
from stilts_xtreme.report.studies.conclusion import Conclusion, Planned, write

__all__ = ["ANALYSES", "Conclusion", "Planned", "analyse", "check", "write"]

ANALYSES = (
    "consistency",
    "efficiency",
    "few_shot",
    "multilingual_vs_monolingual",
    "saturation",
    "transfer",
    "volume_vs_size",
)
"""What ``study.analysis`` may be, each the name of a module of this package."""
TRANSLATED = ("multilingual_vs_monolingual",)
"""Those that read cells with translated test rows."""


def analyse(name: str, cells: Sequence[FinishedCell], chosen: Sequence[str] = ()) -> Conclusion:
    """What finished cells say to a study's question.

    Args:
        name: One of :data:`ANALYSES`.
        cells: The study's cells, whatever their order. Cells that the question is not about are passed over.
        chosen: Sentences on how they were chosen, which a reader has to know.

    Raises:
        StiltsError: There is no such analysis, or the cells cannot answer its question: the sentence says which are
            missing.
    """
    module = _module(name)
    kept = cells if name in TRANSLATED else [cell for cell in cells if not cell.result.get("translate_test")]
    found: Conclusion = module.analyse(kept)
    left_out = "Cells with translated test rows are left out: they are no transfer to other languages."
    more = [left_out] if len(kept) < len(cells) else []
    return replace(found, confounds=[*found.confounds, *more, *chosen])


def check(name: str, planned: Sequence[Planned]) -> None:
    """Refuses planned cells that cannot answer a study's question, before anything is trained.

    Args:
        name: One of :data:`ANALYSES`.
        planned: The cells.

    Raises:
        StiltsError: There is no such analysis, or cells are missing: the sentence says which option adds them.
    """
    lacking = _module(name).lacking(planned)
    if lacking:
        raise StiltsError(lacking)


def _module(name: str) -> ModuleType:
    if name not in ANALYSES:
        raise unknown("study.analysis", name, ANALYSES)
    return importlib.import_module(f"{__name__}.{name}")

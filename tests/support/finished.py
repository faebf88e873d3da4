"""Finished cells as a test needs them: what ``result.json`` holds, without a training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stilts_xtreme.report.results import FinishedCell


def finished(
    model: str, before: str, scores: Mapping[str, float], seed: int = 0, folder: Path | None = None, **more: Any
) -> FinishedCell:
    """A cell that trained in English.

    Args:
        model: The encoder.
        before: The intermediate task, or ``none``.
        scores: Language -> score; the zero-shot mean is that of the languages other than English.
        seed: The seed.
        folder: Where it lies.
        more: Fields of the result that are otherwise, or are there besides.
    """
    others = [value for language, value in scores.items() if language != "en"]
    result = {
        "cell": f"{model}-{before}-{seed}",
        "model": model,
        "intermediate": [] if before == "none" else [before],
        "target": "xnli",
        "seed": seed,
        "collapsed": False,
        "marks": [],
        "synthetic": False,
        "source_language": "en",
        "averages": {"zero_shot_value": sum(others) / len(others)},
        "rows": [{"intermediate": before}],
        "comparison": [{"language": language, "value": value} for language, value in scores.items()],
    }
    return FinishedCell({**result, **more}, folder)

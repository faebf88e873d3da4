"""Hand-made folders of finished cells with the answers of each item."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from stilts_xtreme.report.results import FinishedCell

LANGUAGES = ("en", "de", "sw")


def answers_of(rng: np.random.Generator, share: float, count: int) -> dict[str, list[str]]:
    return {code: ["yes" if right else "no" for right in rng.random(count) < share] for code in LANGUAGES}


def made(
    root: Path,
    intermediate: Sequence[str],
    seed: int,
    answers: dict[str, list[str]],
    target: str = "xnli",
    with_answers: bool = True,
    collapsed: bool = False,
    metric: str = "accuracy",
    control: str | None = None,
    benchmark: str = "xtreme",
) -> FinishedCell:
    """A finished cell whose gold answers are all ``yes``."""
    plain = f"m-{'+'.join(intermediate) or 'none'}-{target}-seed{seed}"
    name = f"{plain}-{control}" if control else plain
    key, base = f"key-{name}", f"key-m-none-{target}-seed{seed}"
    scores = {code: 100 * own.count("yes") / len(own) for code, own in answers.items()}
    zero = np.mean([scores[code] for code in answers if code != "en"])
    result: dict[str, Any] = {
        "cell": name,
        "model": "m",
        "intermediate": list(intermediate),
        "target": target,
        "seed": seed,
        "synthetic": False,
        "collapsed": ["training"] if collapsed else [],
        "marks": [],
        "source_language": "en",
        "settings": {},
        "control": control,
        "identity": {
            "evaluation": key,
            "baseline": base if intermediate else None,
            "controlled": f"key-{plain}" if control else None,
            "encoder": "e",
            "rest": target,
        },
        "rows": [
            {
                "cell": name,
                "model": "m",
                "intermediate": "+".join(intermediate) or "none",
                "target": target,
                "language": code,
                "metric": metric,
                "value": value,
                "stage": key,
            }
            for code, value in scores.items()
        ],
        "comparison": [
            {"language": c, "value": v, "baseline": None, "gain": None, "floor": None} for c, v in scores.items()
        ],
        "averages": {"zero_shot_value": zero},
        "stages": [],
    }
    folder = root / "cells" / name
    folder.mkdir(parents=True)
    config = {
        "target": {"name": target, "head": "classification", "metric": metric, "test": "own"},
        "benchmark": {"name": benchmark},
        "dataset": {"own": {"name": "own", "parallel": True}},
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "result.json").write_text(json.dumps(result))
    if with_answers:
        for code, own in answers.items():
            for part, lines in (("predictions", own), ("labels", ["yes"] * len(own))):
                file = folder / part / target / f"test-{code}.tsv"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text("".join(f"{line}\n" for line in lines))
    return FinishedCell(result, folder)

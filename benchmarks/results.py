"""Finished cells made by hand, of any number and with any names: results, answers and gold, without a training."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

LANGUAGES = ("en", "de", "ru", "hi", "sw", "yo")
LABELS = ("contradiction", "entailment", "neutral")


def write_cell(
    root: Path,
    tasks: Sequence[str],
    target: str,
    seed: int,
    answers: Mapping[str, Sequence[str]],
    gold: Mapping[str, Sequence[str]],
    collapsed: bool = False,
    more: Mapping[str, Any] | None = None,
) -> Path:
    """Writes the folder of a cell of a classification target.

    Args:
        root: An output folder.
        tasks: Intermediate tasks; none for the baseline.
        target: The target.
        seed: The seed.
        answers: Language -> answers; English is the source language.
        gold: Language -> labels.
        collapsed: Whether a training of it collapsed.
        more: Further fields of its result.

    Returns:
        The folder.
    """
    name = f"m-{len(list((root / 'cells').glob('*')))}-{seed}"
    key, base = f"key {list(tasks)} {target} {seed}", f"key [] {target} {seed}"
    scores = {
        code: 100 * float(np.mean([own == right for own, right in zip(answers[code], gold[code], strict=True)]))
        for code in answers
    }
    joined = "+".join(tasks) or "none"
    common = {"cell": name, "model": "m", "intermediate": joined, "target": target, "seed": seed, "volume": None}
    stages = [
        {
            "key": f"t{joined}",
            "kind": "train",
            "label": joined,
            "seconds": 60.0,
            "info": {"steps": 100, "tokens": 4000, "joules": 3600.0, "energy_of": "RAPL, whole processors"},
        },
        {
            "key": f"t{joined}{target}",
            "kind": "train",
            "label": f"{joined} > {target}",
            "seconds": 30.0,
            "info": {"tokens": 2000, "joules": 1800.0, "energy_of": "RAPL, whole processors"},
        },
    ]
    row = {"metric": "accuracy", "stage": key, "trained": stages[-1]["key"], "synthetic": False, "collapsed": collapsed}
    line = {"metric": "accuracy", "baseline": None, "gain": None, "floor": None, "floor_name": None}
    marks = [{"verdict": "collapsed", "label": joined, "task": joined, "why": "it guesses", "of": "cell"}]
    result: dict[str, Any] = {
        "cell": name,
        "model": "m",
        "intermediate": list(tasks),
        "target": target,
        "seed": seed,
        "recipe": "phang2020",
        "data": "hub",
        "synthetic": False,
        "collapsed": [joined] if collapsed else [],
        "marks": marks if collapsed else [],
        "source_language": "en",
        "settings": {},
        "scale": {"parameters": 270_000_000, "body": 85_000_000},
        "identity": {"evaluation": key, "baseline": base if tasks else None, "encoder": "e", "rest": target},
        "rows": [
            {**common, **row, "language": code, "value": value, "n": len(answers[code])}
            for code, value in scores.items()
        ],
        "comparison": [
            {**line, "language": code, "value": value, "n": len(answers[code])} for code, value in scores.items()
        ],
        "averages": {"zero_shot_value": float(np.mean([value for code, value in scores.items() if code != "en"]))},
        "stages": stages if tasks else stages[1:],
        **(more or {}),
    }
    config = {
        "target": {"name": target, "head": "classification", "metric": "accuracy", "test": "own"},
        "dataset": {"own": {"name": "own", "parallel": True}},
    }
    folder = root / "cells" / name
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "result.json").write_text(json.dumps(result))
    for part, of in (("predictions", answers), ("labels", gold)):
        for code, lines in of.items():
            file = folder / part / target / f"test-{code}.tsv"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("".join(f"{text}\n" for text in lines), encoding="utf-8")
    return folder


def write_matrix(
    root: Path,
    gains: Mapping[str, Mapping[str, float]],
    seeds: Sequence[int] = (0, 1, 2),
    items: int = 200,
    languages: Sequence[str] = LANGUAGES,
    labels: Sequence[str] = LABELS,
) -> None:
    """Writes the cells of a matrix whose gains are known: row -> target -> share of items more that are right.

    Args:
        root: An output folder.
        gains: The true gains, from -0.5 to 0.5. A row without an intermediate task comes by itself.
        seeds: Seeds.
        items: Items of each target, the same in all languages.
        languages: The source language first.
        labels: Labels of the items.
    """
    rng = np.random.default_rng(0)
    for target in dict.fromkeys(column for row in gains.values() for column in row):
        right = [labels[at] for at in rng.integers(0, len(labels), items)]
        gold = dict.fromkeys(languages, right)
        for seed in seeds:
            luck = {code: rng.random(items) for code in languages}
            for row, by_target in {"": {target: 0.0}, **gains}.items():
                if target in by_target:
                    answers = {
                        code: [
                            label if drawn < 0.5 + by_target[target] + (code == languages[0]) / 4 else labels[-1]
                            for label, drawn in zip(right, (luck[code] + rng.normal(0, 0.02, items)), strict=True)
                        ]
                        for code in languages
                    }
                    write_cell(root, row.split("+") if row else [], target, seed, answers, gold)

"""Finished cells of any format: the answers and the rows of a target, by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.results import write_cell
from stilts_xtreme.tasks import predictions


def write_answers(root: Path, tasks: tuple[str, ...], target: tuple[str, str, str], answers: Any, gold: Any) -> None:
    """A cell of a target (name, format, metric) whose answers and rows (canonical columns) are given by language."""
    name, format, metric = target
    given = {code: ["a"] for code in answers}
    folder = write_cell(root, tasks, name, 0, given, given)
    config = json.loads((folder / "config.json").read_text())
    config["target"] |= {"head": format, "metric": metric}
    (folder / "config.json").write_text(json.dumps(config))
    for code in answers:
        for part in ("predictions", "labels"):
            (folder / part / name / f"test-{code}.tsv").unlink()
        predictions.write(folder / "predictions", name, code, format, answers[code])
        predictions.write_gold(folder / "labels", name, code, format, gold[code])

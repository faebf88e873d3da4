"""Makes an evaluation stage: predictions are written first, and the files are scored."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from stilts_xtreme.core.files import write_atomic
from stilts_xtreme.core.floors import Floors
from stilts_xtreme.core.schema import Columns
from stilts_xtreme.core.specs import Cell, Target
from stilts_xtreme.core.stage import Evaluation
from stilts_xtreme.data import translated_tests
from stilts_xtreme.data.sources import source_of
from stilts_xtreme.tasks import format_of, predictions
from stilts_xtreme.tasks.floors import fit as floors
from stilts_xtreme.tasks.format import Rows
from stilts_xtreme.training.answering import answer
from stilts_xtreme.training.few_shot import few_shot
from stilts_xtreme.training.oracle import oracle
from stilts_xtreme.training.parents import FolderOf, encoder_source, load_candidates, load_rows
from stilts_xtreme.training.remarks import table


def evaluate(cell: Cell, stage: Evaluation, folder_of: FolderOf, scratch: Path) -> dict[str, Any]:
    """Predicts every language in one stream, writes the predictions, and scores the written files."""
    target = stage.target
    chosen: dict[str, int] = {}
    wanted = [("test", language) for language in stage.languages]
    if format_of(target.head).reads_dev(cell):
        wanted += [("validation", language) for language in stage.languages]
    if stage.oracle:
        found, chosen = oracle(cell, stage, folder_of, scratch, wanted)
    elif stage.shots is not None:
        found, shots = few_shot(cell, stage, folder_of, scratch)
        write_atomic(scratch / "shots.json", json.dumps(shots, indent=1, ensure_ascii=False))
    else:
        found = answer(cell, stage, encoder_source(stage, folder_of), wanted)
    format, rows, labels = format_of(target.head), found.rows, found.labels
    final, facts = format.finish(cell, rows, found.answers)
    for language in stage.languages:
        predictions.write(scratch / "predictions", target.name, language, target.head, final[language])
        predictions.write_gold(scratch / "labels", target.name, language, target.head, rows["test", language], labels)
    result: dict[str, Any] = {"task": target.name, "metric": target.metric, "languages": {}}
    for language in stage.languages:
        entry = _score(target, scratch, language, rows["test", language], found.problems[language])
        entry["scores"].update(found.more[language])
        result["languages"][language] = entry
    result |= {**facts, **found.facts}
    if chosen:
        result["oracle"] = chosen
    if found.layers:
        result["layers"] = _curve(cell, target, labels, rows, found.layers)
    if found.tokens:
        write_atomic(scratch / "tokens.csv", table(found.tokens))
    write_atomic(scratch / "scores.json", json.dumps(result, indent=1, ensure_ascii=False))
    scored = {language: entry["n"] for language, entry in result["languages"].items()}
    return {"task": target.name, "rows": scored, "encoder": found.encoder or None}


def _curve(cell: Cell, target: Target, labels: Sequence[str], rows: Rows, layers: Rows) -> dict[str, list[float]]:
    """Language -> the score of each layer, ``hidden_states[0]`` first, each with its own answers."""
    format = format_of(target.head)
    metric = format.metric(target.metric)
    curve: dict[str, list[float]] = {}
    for layer in range(len(next(iter(layers.values())))):
        final, _ = format.finish(cell, rows, {key: found[layer] for key, found in layers.items()})
        for language, answers in final.items():
            score = metric.main_score(answers, format.gold(rows["test", language], labels), language)
            curve.setdefault(language, []).append(score)
    return curve


def make_floors(cell: Cell, stage: Floors, scratch: Path) -> dict[str, Any]:
    """Learns the floors of a target from its English training rows and scores them in every language."""
    target = stage.target
    train_rows = load_rows(cell, target.train[-1], "train") if target.train else {}
    candidates = load_candidates(cell, target) if target.candidates is not None else None
    tests = source_of(target.test, cell.data)
    score = floors.fit(target.head, target.metric, train_rows, tests.labels(), candidates)
    found: dict[str, dict[str, float]] = {}
    for language in stage.languages:
        rows, _ = translated_tests.rows(stage.test, language)
        found[language] = score(rows, language)
        rivals = partial(tests.rivals, language)
        found[language] |= format_of(target.head).more_floors(target.metric, rows, language, rivals)
    write_atomic(scratch / "scores.json", json.dumps({"languages": found}, indent=1, ensure_ascii=False))
    return {"task": target.name}


def _score(
    target: Target,
    scratch: Path,
    language: str,
    rows: Columns,
    problems: dict[str, int],
) -> dict[str, Any]:
    """Scores one language's written predictions against its written labels."""
    reference = predictions.read_gold(scratch / "labels", target.name, language, target.head)
    answers = predictions.read(scratch / "predictions", target.name, language, target.head)
    format = format_of(target.head)
    metric = format.metric(target.metric)
    scores = metric.score(answers, reference, language)
    entry: dict[str, Any] = {
        "n": len(next(iter(rows.values()))),
        "headline": metric.headline(scores),
        "scores": scores,
        "problems": problems,
    }
    return entry

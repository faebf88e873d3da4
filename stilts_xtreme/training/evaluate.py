"""Predicts with a head, and makes an evaluation stage: predictions are written first, and the files are scored."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.files import write_atomic
from stilts_xtreme.core.progress import phase
from stilts_xtreme.core.schema import Columns
from stilts_xtreme.core.specs import Cell, Target
from stilts_xtreme.core.stage import Evaluation, Floors
from stilts_xtreme.core.terminal import say
from stilts_xtreme.data.sources import source_of
from stilts_xtreme.models.batch import concatenate
from stilts_xtreme.models.encoder import Encoder, load
from stilts_xtreme.models.tokenizer import compare_unknown, load_tokenizer, unknown_share
from stilts_xtreme.tasks import format_of, predictions
from stilts_xtreme.tasks.floors import fit as floors
from stilts_xtreme.tasks.format import Rows
from stilts_xtreme.tasks.head import HeadModule
from stilts_xtreme.training.candidates import peak_memory, read_candidates
from stilts_xtreme.training.parents import FolderOf, encoder_source, load_candidates, load_rows
from stilts_xtreme.training.predict import device_of, predict

log = logging.getLogger(__name__)


def evaluate(cell: Cell, stage: Evaluation, folder_of: FolderOf, scratch: Path) -> dict[str, Any]:
    """Predicts every language in one stream, writes the predictions, and scores the written files."""
    target = stage.target
    source = encoder_source(stage, folder_of)
    encoder: Encoder = load(source, packed=cell.trainer.packing)
    tokenizer = load_tokenizer(source)
    tests = source_of(target.test, cell.data)
    labels = tests.labels()
    format = format_of(target.head)
    options = format.head_options(cell, target.recipe, target.metric)
    continues = source if stage.head is not None else None
    head: HeadModule = format.module()(encoder, labels, options, continues)
    if cell.trainer.accelerator == "gpu" and not torch.cuda.is_available():
        raise StiltsError("trainer.accelerator=gpu, but torch finds no CUDA device it can use; take trainer=cpu.")
    head.to(device_of(cell.trainer))
    wanted = [("test", language) for language in stage.languages]
    if format.reads_dev(cell):
        wanted += [("validation", language) for language in stage.languages]
    rows, parts, problems = {}, {}, {}
    for split, language in wanted:
        rows[split, language], report = tests.rows(split, language)
        if split == "test":
            problems[language] = {name: count for name, (count, _) in report.problems.items()}
        if report.problems:
            say(f"  {report}")
        parts[split, language] = head.features(rows[split, language], tokenizer)
        if not len(parts[split, language]):
            others = ",".join(other for other in stage.languages if other != language)
            raise StiltsError(
                f"{target.name}: no {split} row in {language} can be used"
                + (f"; languages=[{others}] evaluates in the others." if others else ".")
            )
    shares = {code: unknown_share(parts["test", code], tokenizer) for code in stage.languages}
    # a head was trained on the source language, which the tokenizer could read
    compare_unknown(shares, source.place, target.name, stage.head is None or tests.source_language in shares)
    result: dict[str, Any] = {"task": target.name, "metric": target.metric, "languages": {}}
    if target.candidates is not None:
        result["candidates"] = read_candidates(cell, target, head, tokenizer)
    # one stream; with outputs of every layer one for each language: they are many
    groups = [[key for key in parts if key[1] == code] for code in stage.languages] if head.layered else [list(parts)]
    answers: dict[tuple[str, str], Any] = {}
    layers: dict[tuple[str, str], list[Any]] = {}
    more: dict[str, dict[str, float]] = {}
    spent = 0.0
    with phase(f"evaluating {stage.label}", sum(map(len, parts.values())), cell.trainer.progress) as bar:
        for group in groups:
            outputs = predict(head, concatenate([parts[key] for key in group]), cell.trainer, bar)
            at = 0
            for key in group:
                features, size = parts[key], parts[key].count(head.over)
                own = [array[at : at + size] for array in outputs]
                at += size
                began = time.monotonic()
                if head.layered:
                    layers[key] = [head.decode(rows[key], features, [array]) for array in own]
                    answers[key] = layers[key][head.layer]
                else:
                    answers[key] = head.decode(rows[key], features, own)
                if key[0] == "test":
                    more[key[1]] = head.more_scores(rows[key], features, own)
                spent += time.monotonic() - began
    if target.candidates is not None:
        asked = sum(len(own["id"]) for own in rows.values())
        say(f"  {asked:,} queries compared with all of them in {spent:.0f} s; {peak_memory()}")
    final, facts = format.finish(cell, rows, answers)
    for language in stage.languages:
        predictions.write(scratch / "predictions", target.name, language, target.head, final[language])
        predictions.write_gold(scratch / "labels", target.name, language, target.head, rows["test", language], labels)
    for language in stage.languages:
        entry = _score(target, scratch, language, rows["test", language], problems[language])
        entry["scores"].update(more[language])
        result["languages"][language] = entry
    result |= {**facts, **head.facts()}
    if layers:
        result["layers"] = _curve(cell, target, labels, rows, layers)
    write_atomic(scratch / "scores.json", json.dumps(result, indent=1, ensure_ascii=False))
    return {"task": target.name, "rows": {language: entry["n"] for language, entry in result["languages"].items()}}


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
        rows, _ = tests.rows("test", language)
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

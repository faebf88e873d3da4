"""Predicts with a head, and makes an evaluation stage: predictions are written first, and the files are scored."""

from __future__ import annotations

import json
import logging
import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.files import write_atomic
from stilts_xtreme.core.progress import phase, say
from stilts_xtreme.core.schema import Columns
from stilts_xtreme.core.specs import Cell, Target
from stilts_xtreme.core.stage import Evaluation, Floors
from stilts_xtreme.data import catalogue
from stilts_xtreme.models.batch import concatenate
from stilts_xtreme.models.encoder import Encoder, load, load_tokenizer
from stilts_xtreme.models.search import best_threshold
from stilts_xtreme.tasks import predictions
from stilts_xtreme.tasks.floors import fit as floors
from stilts_xtreme.tasks.metrics.ranking import whole_average_precision
from stilts_xtreme.tasks.metrics.scores import METRICS, headline
from stilts_xtreme.tasks.modules import HEADS
from stilts_xtreme.tasks.pooling import PoolingModule
from stilts_xtreme.tasks.ranking.module import Pool, RankingModule
from stilts_xtreme.training.parents import FolderOf, encoder_source, head_options, load_candidates, load_rows
from stilts_xtreme.training.predict import device_of, predict

log = logging.getLogger(__name__)

PART = 50_000
"""Candidates that are read into features at a time."""

POOL_BYTES = 2 * 2**30
"""Memory of candidates' vectors beyond which they are kept in half precision."""

WHOLE = 100_000
"""Candidates up to which the mean average precision over the whole ranking is given beside that of its beginning."""


def evaluate(cell: Cell, stage: Evaluation, folder_of: FolderOf, scratch: Path) -> dict[str, Any]:
    """Predicts every language in one stream, writes the predictions, and scores the written files."""
    target = stage.target
    source = encoder_source(stage, folder_of)
    encoder: Encoder = load(source, packed=cell.trainer.packing)
    tokenizer = load_tokenizer(source)
    labels = catalogue.labels(target.test, cell.data)
    options = head_options(cell, target.recipe, target.metric)
    continues = source if stage.head is not None else None
    head = HEADS[target.head](encoder, labels, options, continues)
    if cell.trainer.accelerator == "gpu" and not torch.cuda.is_available():
        raise StiltsError("trainer.accelerator=gpu, but torch finds no CUDA device it can use; take trainer=cpu.")
    head.to(device_of(cell.trainer))
    wanted = [("test", language) for language in stage.languages]
    if target.head == "bitext" and cell.bitext["threshold"] == "dev":
        wanted += [("validation", language) for language in stage.languages]
    rows, parts, problems = {}, {}, {}
    for split, language in wanted:
        rows[split, language], report = catalogue.rows(target.test, split, language, cell.data)
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
    result: dict[str, Any] = {"task": target.name, "metric": target.metric, "languages": {}}
    if isinstance(head, RankingModule):
        result["candidates"] = _read_pool(cell, target, head, tokenizer)
    sweep = isinstance(head, PoolingModule) and options.sweep
    # one stream; with a sweep one for each language: the vectors of all layers are many
    groups = [[key for key in parts if key[1] == code] for code in stage.languages] if sweep else [list(parts)]
    answers: dict[tuple[str, str], Any] = {}
    layers: dict[tuple[str, str], list[Any]] = {}
    whole: dict[str, float] = {}
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
                if isinstance(head, PoolingModule) and sweep:
                    layers[key] = [head.decode(rows[key], features, [array]) for array in own]
                    answers[key] = layers[key][head.layer]
                else:
                    answers[key] = head.decode(rows[key], features, own)
                if isinstance(head, RankingModule) and head.pool and len(head.pool.ids) <= WHOLE:
                    ranks = head.ranks(rows[key], features, own)
                    whole[key[1]] = 100 * whole_average_precision(ranks, rows[key]["gold"])
                spent += time.monotonic() - began
    if isinstance(head, RankingModule):
        asked = sum(len(own["id"]) for own in rows.values())
        say(f"  {asked:,} queries compared with all of them in {spent:.0f} s; {_peak()}")
    thresholds = _thresholds(cell, rows, answers) if target.head == "bitext" else {}
    for language in stage.languages:
        found, own_rows = _final(target, answers["test", language], thresholds.get(language)), rows["test", language]
        predictions.write(scratch / "predictions", target.name, language, target.head, found)
        predictions.write_gold(scratch / "labels", target.name, language, target.head, own_rows, labels)
    for language in stage.languages:
        entry = _score(target, scratch, language, rows["test", language], problems[language])
        if language in whole:
            entry["scores"]["map"] = whole[language]
        result["languages"][language] = entry
    if thresholds:
        result["bitext"] = {"chosen_on": cell.bitext["threshold"], "thresholds": thresholds}
    if isinstance(head, PoolingModule):
        result["retrieval"] = {"layer": head.layer, "pooling": options.pooling}
    if layers:
        result["layers"] = _curve(cell, target, stage.languages, rows, layers)
    write_atomic(scratch / "scores.json", json.dumps(result, indent=1, ensure_ascii=False))
    return {"task": target.name, "rows": {language: entry["n"] for language, entry in result["languages"].items()}}


def _final(target: Target, found: Any, threshold: float | None) -> Any:
    """What is written of a language's answers."""
    if target.head == "retrieval":
        return [int(position) for position in found]
    if target.head == "bitext":
        assert threshold is not None
        return [(one, other) for one, other, score in found if score >= threshold]
    return found


def _curve(cell: Cell, target: Target, languages: Sequence[str], rows: dict, layers: dict) -> dict[str, list[float]]:
    """Language -> the score of each layer, ``hidden_states[0]`` first; bitext with a threshold of its own for each."""
    curve: dict[str, list[float]] = {language: [] for language in languages}
    for layer in range(len(next(iter(layers.values())))):
        answers = {key: found[layer] for key, found in layers.items()}
        thresholds = _thresholds(cell, rows, answers) if target.head == "bitext" else {}
        for language in languages:
            found = _final(target, answers["test", language], thresholds.get(language))
            reference = predictions.gold(target.head, rows["test", language], ())
            scores = METRICS[target.metric].score(found, reference, language)
            curve[language].append(headline(target.metric, scores))
    return curve


def _read_pool(cell: Cell, target: Target, head: RankingModule, tokenizer: Any) -> dict[str, Any]:
    """Reads and encodes what a ranking chooses from, a part at a time, and says how long that took.

    Beside the texts the vectors stay in memory, in half precision where they would otherwise take more than
    :data:`POOL_BYTES`; they are compared in single precision.
    """
    began = time.monotonic()
    rows = load_candidates(cell, target)
    count, width = len(rows["id"]), int(head.encoder.config.hidden_size)
    kind = np.dtype(np.float32 if 4 * count * width <= POOL_BYTES else np.float16)
    vectors = np.zeros((count, width), kind)
    read = time.monotonic()
    with phase(f"encoding {count:,} candidates", count, cell.trainer.progress) as bar:
        for at in range(0, count, PART):
            part = {name: values[at : at + PART] for name, values in rows.items()}
            (found,) = predict(head, head.candidates(part, tokenizer), cell.trainer, bar)
            vectors[at : at + PART] = found
    head.pool = Pool(rows["id"], vectors)
    done = time.monotonic()
    facts = {"count": count, "precision": kind.name, "bytes": vectors.nbytes}
    say(
        f"  {count:,} candidates: read in {read - began:.0f} s, encoded in {done - read:.0f} s; vectors of {width} "
        f"numbers in {kind.name}, {vectors.nbytes / 2**30:.2f} GiB; {_peak()}"
    )
    return facts


def _peak() -> str:
    """The most memory that this process has had."""
    unit = 1 if sys.platform == "darwin" else 2**10
    return f"at most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30:.2f} GiB of memory until now"


def _thresholds(cell: Cell, rows: dict, answers: dict) -> dict[str, float]:
    """The least score of a mined pair in each language: given, or chosen on dev (or, if told so, test) rows."""
    setting = cell.bitext["threshold"]
    languages = [language for split, language in rows if split == "test"]
    if setting not in ("dev", "test"):
        return dict.fromkeys(languages, float(setting))
    split = "validation" if setting == "dev" else "test"
    return {
        language: best_threshold(answers[split, language], set(predictions.gold("bitext", rows[split, language], ())))
        for language in languages
    }


def make_floors(cell: Cell, stage: Floors, scratch: Path) -> dict[str, Any]:
    """Learns the floors of a target from its English training rows and scores them in every language."""
    target = stage.target
    train_rows = load_rows(cell, target.train[-1], "train") if target.train else {}
    candidates = load_candidates(cell, target) if target.candidates is not None else None
    score = floors.fit(target.head, target.metric, train_rows, catalogue.labels(target.test, cell.data), candidates)
    found: dict[str, dict[str, float]] = {}
    for language in stage.languages:
        rows, _ = catalogue.rows(target.test, "test", language, cell.data)
        found[language] = score(rows, language)
        rivals = catalogue.rivals(target.test, language, cell.data) if target.head == "qa" else None
        if rivals is not None:
            found[language]["right_type"] = floors.right_type(target.metric, rows["answer_texts"], rivals, language)
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
    scores = METRICS[target.metric].score(answers, reference, language)
    entry: dict[str, Any] = {
        "n": len(next(iter(rows.values()))),
        "headline": headline(target.metric, scores),
        "scores": scores,
        "problems": problems,
    }
    if target.head in ("classification", "choice"):
        entry["one_class"] = len(set(answers)) == 1 and len(set(reference)) > 1
    return entry

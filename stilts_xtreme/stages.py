"""Makes one stage: trains or evaluates with Lightning, from its parent's folder into a scratch folder."""

from __future__ import annotations

import contextlib
import json
import logging
import math
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlparse
from urllib.request import getproxies

import numpy as np
import torch
from transformers.utils import logging as transformers_logging

from stilts_xtreme import predictions
from stilts_xtreme.batch import Features, concatenate, stream
from stilts_xtreme.config import Cell, Recipe, Target, TrainerSpec, TrainTask
from stilts_xtreme.data import catalogue
from stilts_xtreme.data.schema import Columns
from stilts_xtreme.encoder import Encoder, Source, load, load_tokenizer
from stilts_xtreme.errors import StiltsError
from stilts_xtreme.floors import floors
from stilts_xtreme.heads import HEADS, HeadModule, HeadOptions
from stilts_xtreme.heads.base import JointModule, Optimisation, StageModule
from stilts_xtreme.metrics.scores import METRICS, headline
from stilts_xtreme.models import lineage, model_folder, save
from stilts_xtreme.plan import Stage
from stilts_xtreme.pretrain import pretrain
from stilts_xtreme.progress import Phase, phase, say
from stilts_xtreme.store import RESUME, Store, write_atomic
from stilts_xtreme.training import Course, Guard, Select, StepStream, device_of, fit, steps_of, write_curve

transformers_logging.set_verbosity_error()
transformers_logging.disable_progress_bar()

log = logging.getLogger(__name__)

PointSink = Callable[[dict[str, Any]], None]


def make(cell: Cell, stage: Stage, store: Store, scratch: Path, on_point: PointSink) -> dict[str, Any]:
    """Makes a stage whose parent is finished.

    Args:
        cell: The cell that needs it.
        stage: The stage.
        store: Where its parent is.
        scratch: The folder to fill.
        on_point: Told every point of a training curve.

    Returns:
        Facts for the manifest.
    """
    if cell.trainer.threads:
        torch.set_num_threads(cell.trainer.threads)
    if stage.kind == "pretrain":
        return pretrain(cell, stage, scratch, on_point)
    if stage.kind == "train":
        return train(cell, stage, store, scratch, on_point)
    return evaluate(cell, stage, store, scratch)


def encoder_source(cell: Cell, stage: Stage, store: Store) -> Source:
    """Where the encoder of a stage comes from: its parent's folder, verified, or the model from outside."""
    if stage.parent is not None:
        return Source(str(model_folder(store.open(stage.parent.key), stage.head)))
    if cell.model.path is not None:
        return Source(cell.model.path)
    _offline_if_unreachable()
    return Source(str(cell.model.id), cell.model.revision)


def _offline_if_unreachable() -> None:
    """Tells the hub's client when there is no network; by itself it tries for half a minute before it says so."""
    from huggingface_hub import constants

    place = urlparse(constants.ENDPOINT)
    if constants.HF_HUB_OFFLINE or getproxies():  # behind a proxy the host itself need not be reachable
        return
    try:
        socket.create_connection((place.hostname or "", place.port or 443), timeout=5).close()
    except OSError:
        constants.HF_HUB_OFFLINE = True


def head_options(cell: Cell, recipe: Recipe, metric: str) -> HeadOptions:
    """What a task's features and decoding depend on."""
    return HeadOptions(
        max_length=recipe.max_length,
        stride=recipe.stride,
        max_query_length=recipe.max_query_length,
        first_token=cell.tagging["first_token"],
        n_best=cell.evaluation["n_best"],
        max_answer_length=cell.evaluation["max_answer_length"],
        null_threshold=cell.evaluation["null_threshold"] if metric == "squad_v2" else None,
        layer=cell.retrieval["layer"] if cell.retrieval["layer"] is not None else cell.model.retrieval_layer,
        pooling=cell.retrieval["pooling"],
    )


def load_rows(cell: Cell, task: TrainTask, split: str) -> Columns:
    """The joined English rows of a task's data sets; what was wrong with them is said."""
    joined: Columns = {}
    for spec in task.datasets:
        rows, report = catalogue.rows(spec, split, catalogue.source_language(cell.data), cell.data)
        if report.problems:
            say(f"  {report}")
        for name, values in rows.items():
            joined.setdefault(name, []).extend(values)
    if not joined or not next(iter(joined.values())):
        raise StiltsError(f"{task.name}: its {split} split has no usable rows.")
    return joined


def task_labels(cell: Cell, task: TrainTask) -> tuple[str, ...]:
    """Label names of a task; data sets that share a head must agree on them."""
    found = {catalogue.labels(spec, cell.data) for spec in task.datasets}
    if len(found) > 1:
        raise StiltsError(
            f"{task.name}: its data sets have different labels ({'; '.join(map(', '.join, sorted(found)))})."
        )
    return found.pop()


def train(cell: Cell, stage: Stage, store: Store, scratch: Path, on_point: PointSink) -> dict[str, Any]:
    """Trains the encoder on the stage's tasks, jointly if there are several, and saves a model per head."""
    source = encoder_source(cell, stage, store)
    first = stage.tasks[0].recipe
    encoder = load(source, cell.trainer.gradient_checkpointing, first.dropout)
    tokenizer = load_tokenizer(source)
    torch.manual_seed(cell.seed)  # the fresh heads' weights
    heads, courses, rows_of = {}, [], {}
    for task in stage.tasks:
        rows = load_rows(cell, task, "train")
        continues = source if stage.head is not None else None
        head = HEADS[task.head](
            encoder, task_labels(cell, task), head_options(cell, task.recipe, task.metric), continues
        )
        say(f"  {task.name}: {len(rows['id']):,} rows")
        features = head.features(rows, tokenizer)
        steps = steps_of(len(features), task.recipe.batch_size, task.recipe.epochs, task.recipe.max_steps)
        heads[task.name] = head
        courses.append(Course(task.name, features, task.recipe.batch_size, steps))
        rows_of[task.name] = len(rows["id"])
    steps_stream = StepStream(courses, cell.seed)
    total = len(steps_stream)
    warmup = first.warmup_steps if first.warmup_steps is not None else int(first.warmup_ratio * total)
    module: StageModule = JointModule(encoder, heads) if len(heads) > 1 else next(iter(heads.values()))
    module.optimisation = Optimisation(
        learning_rate=first.learning_rate,
        steps=total,
        warmup=warmup,
        weight_decay=first.weight_decay,
        epsilon=first.adam_epsilon,
        max_grad_norm=first.max_grad_norm,
        seed=cell.seed,
        budget=cell.trainer.micro_batch_tokens,
        accumulation=cell.trainer.accumulation,
    )
    with phase(f"training {stage.label}", total, cell.trainer.progress) as bar:
        guard = Guard(bar, stage.label, on_point)
        callbacks: list[Any] = [guard]
        if first.selection == "best":
            scorer = _dev_scorer(cell, stage, heads, tokenizer)
            every = first.eval_every or math.ceil(total / max(1.0, first.epochs))
            callbacks.append(Select(guard, scratch / RESUME, scorer, every, first.patience))
        trainer = fit(module, steps_stream, cell.trainer, callbacks, scratch / RESUME)
    chosen = None
    if first.selection == "best":
        callbacks[1].load_best(module)
        chosen = {"step": callbacks[1].best_step, "dev": callbacks[1].best}
    save(scratch, encoder, heads, tokenizer, lineage(cell, stage))
    write_curve(scratch, guard.curve)
    source_language = catalogue.source_language(cell.data)
    has_dev = all(
        source_language in catalogue.languages(spec, "validation", cell.data)
        for task in stage.tasks
        for spec in task.datasets
    )
    losses = [point["loss"] for point in guard.curve if "loss" in point]
    tail = losses[-max(1, len(losses) // 10) :]
    return {
        "tasks": list(heads),
        "rows": rows_of,
        "features": {course.task: len(course.features) for course in courses},
        "steps": trainer.global_step,
        "loss": sum(tail) / len(tail),
        "collapsed": _collapsed(stage, courses, sum(tail) / len(tail)),
        "selected": chosen,
        "dev": _dev_scorer(cell, stage, heads, tokenizer)() if has_dev else None,
    }


def _collapsed(stage: Stage, courses: Sequence[Course], loss: float) -> bool:
    """Whether training ended where it began: at the loss of guessing evenly among the classes."""
    if len(stage.tasks) > 1 or stage.tasks[0].head not in ("classification", "choice"):
        return False
    features = courses[0].features
    if stage.tasks[0].head == "choice":
        guess = float(np.log(features.units).mean())
    else:
        guess = math.log(len(np.unique(features.labels["label"][1])))
    return loss >= 0.98 * guess


def _dev_scorer(
    cell: Cell, stage: Stage, heads: dict[str, HeadModule], tokenizer: Any
) -> Callable[[], dict[str, float]]:
    """A function that scores every head on its English dev rows with the weights of the moment."""
    dev = {}
    for task in stage.tasks:
        rows = {name: values[: task.recipe.dev_rows] for name, values in load_rows(cell, task, "validation").items()}
        dev[task.name] = (task, rows, heads[task.name].features(rows, tokenizer))

    def score() -> dict[str, float]:
        found = {}
        for name, (task, rows, features) in dev.items():
            head = heads[name]
            outputs = predict(head, features, cell.trainer, None)
            found[name] = headline(
                task.metric,
                METRICS[task.metric].score(head.decode(rows, features, outputs), gold(task.head, rows, head.labels)),
            )
        return found

    return score


def precision_context(spec: TrainerSpec) -> contextlib.AbstractContextManager:
    """The arithmetic of prediction, the same as in training."""
    if spec.precision.startswith("bf16"):
        return torch.autocast(device_of(spec), dtype=torch.bfloat16)
    return contextlib.nullcontext()


def predict(head: HeadModule, features: Features, spec: TrainerSpec, bar: Phase | None) -> list[np.ndarray]:
    """The head's outputs for all units, as one length-sorted stream, in the order of the features.

    Args:
        head: The head, on its device.
        features: The units.
        spec: The machine.
        bar: Moved on by finished units.

    Returns:
        The arrays of ``head.outputs``, each over all units, sequences or tokens.
    """
    was_training = head.training
    head.eval()
    budget = 2 * spec.micro_batch_tokens  # no gradients are held
    try:
        while True:
            try:
                return _predict(head, features, spec, budget, bar)
            except torch.OutOfMemoryError:
                pass
            # outside of the handler, whose traceback holds the tensors
            widest = int((features.unit_widest * features.units).max())
            if budget <= widest:
                raise StiltsError(
                    f"Out of memory on the device even with one example of {widest} tokens at a time; take a smaller "
                    "model or recipe.*.max_length."
                )
            budget //= 2
            torch.cuda.empty_cache()
            log.warning("out of memory: batches of prediction now hold at most %d tokens", budget)
    finally:
        head.train(was_training)


def _predict(
    head: HeadModule, features: Features, spec: TrainerSpec, budget: int, bar: Phase | None
) -> list[np.ndarray]:
    whole: list[np.ndarray] = []
    done = 0
    try:
        with torch.inference_mode(), precision_context(spec):
            for units, batch in stream(features, budget):
                found = head.predict_step(batch)
                if not whole:
                    whole = [np.zeros((features.count(head.over), *part.shape[1:]), part.dtype) for part in found]
                where = features.positions(units, head.over)
                for array, part in zip(whole, found, strict=True):
                    array[where] = part
                done += len(units)
                if bar is not None:
                    bar.advance(len(units))
    except torch.OutOfMemoryError:
        if bar is not None:
            bar.advance(-done)
        raise
    return whole


def gold(kind: str, rows: Columns, labels: Sequence[str]) -> Any:
    """The reference of rows in the form of a format's predictions."""
    if kind == "classification":
        return [labels[label] for label in rows["label"]]
    if kind == "choice":
        return [str(label) for label in rows["label"]]
    if kind == "tagging":
        return [[labels[tag] for tag in tags] for tags in rows["tags"]]
    if kind == "qa":
        return dict(zip(rows["id"], rows["answer_texts"], strict=True))
    return list(range(len(rows["text_a"])))


def evaluate(cell: Cell, stage: Stage, store: Store, scratch: Path) -> dict[str, Any]:
    """Predicts every language in one stream, writes the predictions, and scores the written files."""
    target = stage.target
    assert target is not None
    source = encoder_source(cell, stage, store)
    encoder: Encoder = load(source)
    tokenizer = load_tokenizer(source)
    labels = catalogue.labels(target.test, cell.data)
    options = head_options(cell, target.recipe, target.metric)
    continues = source if stage.head is not None else None
    head = HEADS[target.head](encoder, labels, options, continues)
    if cell.trainer.accelerator == "gpu" and not torch.cuda.is_available():
        raise StiltsError("trainer.accelerator=gpu, but torch finds no CUDA device it can use; take trainer=cpu.")
    head.to(device_of(cell.trainer))
    rows, parts, problems = {}, {}, {}
    for language in stage.languages:
        rows[language], report = catalogue.rows(target.test, "test", language, cell.data)
        problems[language] = {name: count for name, (count, _) in report.problems.items()}
        if report.problems:
            say(f"  {report}")
        parts[language] = head.features(rows[language], tokenizer)
    joined = concatenate(list(parts.values()))
    with phase(f"evaluating {stage.label}", len(joined), cell.trainer.progress) as bar:
        outputs = predict(head, joined, cell.trainer, bar)
    at = 0
    for language, features in parts.items():
        size = features.count(head.over)
        answers = head.decode(rows[language], features, [array[at : at + size] for array in outputs])
        at += size
        if target.head == "retrieval":
            answers = [int(answer) for answer in answers]
        predictions.write(scratch / "predictions", target.name, language, target.head, answers)
    train_rows = _floor_rows(cell, target)
    result: dict[str, Any] = {"task": target.name, "metric": target.metric, "languages": {}}
    for language in stage.languages:
        result["languages"][language] = _score(
            cell, target, scratch, language, rows[language], labels, train_rows, problems[language]
        )
    if target.head == "retrieval":
        result["retrieval"] = {"layer": head.layer, "pooling": options.pooling}
    write_atomic(scratch / "scores.json", json.dumps(result, indent=1, ensure_ascii=False))
    return {"task": target.name, "rows": {language: len(next(iter(r.values()))) for language, r in rows.items()}}


def _floor_rows(cell: Cell, target: Target) -> Columns | None:
    if not cell.evaluation["floors"]:
        return None
    return load_rows(cell, target.train[-1], "train") if target.train else {}


def _score(
    cell: Cell,
    target: Target,
    scratch: Path,
    language: str,
    rows: Columns,
    labels: Sequence[str],
    train_rows: Columns | None,
    problems: dict[str, int],
) -> dict[str, Any]:
    """Scores one language's written predictions, with the floors beside them."""
    reference = gold(target.head, rows, labels)
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
    if train_rows is not None:
        entry["floors"] = floors(target.head, target.metric, train_rows, rows, labels, language)
    return entry

"""Few-shot transfer: in each language the model of a training is trained on some rows, answers there, and is forgotten.

No rows of the language choose weights: those of the last step answer. The callbacks that a user adds to trainings are
not in these. The answers of each language are kept until the evaluation is done, so that one that was killed goes on
with the language that it was at.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.files import RESUME, digest_of, write_atomic
from stilts_xtreme.core.json_text import read_json
from stilts_xtreme.core.progress import phase
from stilts_xtreme.core.schema import Columns
from stilts_xtreme.core.specs import Cell
from stilts_xtreme.core.stage import Evaluation, Selected, Training
from stilts_xtreme.core.terminal import say
from stilts_xtreme.data import translated_tests
from stilts_xtreme.data.sources import source_of
from stilts_xtreme.models import low_rank, sparse_embedding
from stilts_xtreme.models.batch import Features, order
from stilts_xtreme.models.encoder import load
from stilts_xtreme.models.freezing import freeze
from stilts_xtreme.models.reading import Reading
from stilts_xtreme.models.tokenizer import load_tokenizer
from stilts_xtreme.tasks import format_of
from stilts_xtreme.tasks.draws import drawn
from stilts_xtreme.tasks.head import HeadModule
from stilts_xtreme.tasks.module import Step
from stilts_xtreme.training.answering import Answered, answer, answer_with
from stilts_xtreme.training.callbacks import Guard
from stilts_xtreme.training.courses import courses_of, steps_in
from stilts_xtreme.training.fit import Course, StepStream, fit, steps_of
from stilts_xtreme.training.parents import FolderOf, encoder_source, load_rows, pretrained_source
from stilts_xtreme.training.setup import build, optimisation_of

NAME = "shots"


@dataclass
class Start:
    """What a training on shots begins with.

    Attributes:
        head: The head on its encoder.
        tokenizer: The encoder's.
        place: What errors call the encoder.
    """

    head: HeadModule
    tokenizer: Any
    place: str


class Beside(StepStream):
    """The steps of a course, each with as many units of another one beside its own, as far as that has so many.

    Args:
        own: The course that decides the steps.
        other: The units that come beside them, one after the other in an order that is drawn anew when all have come.
        seed: Decides both orders.
    """

    def __init__(self, own: Course, other: Features, seed: int):
        super().__init__([own], seed)
        self.both, self.others = joined(own.features, other), len(other)
        self._beside = lru_cache(maxsize=2)(lambda epoch: order(seed, "beside", epoch, self.others))

    def step(self, index: int) -> Step:
        """The units of step ``index``, those of the other course last."""
        own = super().step(index)
        most = min(self.courses[0].batch_size, len(self.courses[0].features), self.others)
        places = index * most + np.arange(min(most, len(own.units)))
        beside = [self._beside(int(place) // self.others)[place % self.others] for place in places]
        units = np.concatenate([own.units, len(own.features) + np.array(beside, np.int64)])
        return Step(own.task, self.both, units, index)


def joined(first: Features, second: Features) -> Features:
    """The units of two sets of rows of one head, to train on."""
    labels = {
        name: (over, np.concatenate([array, second.labels[name][1]])) for name, (over, array) in first.labels.items()
    }
    return Features(
        ids=np.concatenate([first.ids, second.ids]),
        lengths=np.concatenate([first.lengths, second.lengths]),
        units=np.concatenate([first.units, second.units]),
        types=None if first.types is None or second.types is None else np.concatenate([first.types, second.types]),
        labels=labels,
    )


def few_shot(cell: Cell, stage: Evaluation, folder_of: FolderOf, scratch: Path) -> tuple[Answered, dict[str, Any]]:
    """Answers the test rows of each language with a model that was trained on shots in it.

    Args:
        cell: The cell.
        stage: The evaluation.
        folder_of: Gives the folder of a finished stage, such as the training that is gone on with.
        scratch: Where a training leaves checkpoints, and answers are kept.

    Returns:
        The answers, and the shots: options, data set, split, steps of a training, and language -> ids of its rows.

    Raises:
        StiltsError: A language has fewer rows than are asked for.
    """
    assert stage.shots is not None
    shots, options = stage.shots, stage.shots.options
    left = [("test", language) for language in stage.languages if language not in shots.rows.languages]
    found, ids, steps = Answered(), {}, 0
    if left:
        found.add(answer(cell, stage, encoder_source(stage, folder_of), left))
    say(f"  {options.words} in each of {len(shots.rows.languages)} languages")
    english = _English(cell, stage, folder_of)
    for language in shots.rows.languages:
        rows = _drawn(cell, stage, language)
        ids[language] = list(rows["id"])
        own = scratch / RESUME / f"{NAME}-{language}"
        kept = own.with_name(f"{own.name}.json")
        if (told := _kept(kept, language)) is not None:
            steps = _restored(found, cell, stage, language, told)
            continue
        start = _start(cell, stage, folder_of)
        stream = english.stream(start, start.head.features(rows, start.tokenizer))
        steps = len(stream)
        _train(cell, stage, start, stream, f"{stage.label} in {language}", own)
        answered = answer_with(cell, stage, start.head, start.tokenizer, start.place, [("test", language)], not left)
        _keep(kept, answered, language, steps)
        shutil.rmtree(own, ignore_errors=True)
        found.add(answered)
    about = {**options.facts(), "dataset": shots.rows.spec.name, "split": shots.rows.split, "steps": steps}
    return found, {**about, "rows": ids}


def _keep(file: Path, answered: Answered, language: str, steps: int) -> None:
    """Writes down what a model answered in a language."""
    file.parent.mkdir(parents=True, exist_ok=True)
    told = {
        "steps": steps,
        "answers": answered.answers["test", language],
        "more": answered.more[language],
        "facts": answered.facts,
        "tokens": {code: asdict(reading) for code, reading in answered.tokens.items()},
    }
    write_atomic(file, json.dumps({"digest": _digest(told), "told": told}))


def _kept(file: Path, language: str) -> dict[str, Any] | None:
    """What was written down of a language; None where nothing was, or where it is damaged."""
    if not file.is_file():
        return None
    with suppress(StiltsError, KeyError, TypeError):
        found = read_json(file)
        told: dict[str, Any] = found["told"]
        if _digest(told) == found["digest"]:
            return told
    say(f"  warning: {file} is damaged; the training in {language} begins anew")
    return None


def _digest(told: Mapping[str, Any]) -> str:
    """Of texts as ASCII, because half of a surrogate pair has no bytes in UTF-8."""
    return digest_of(json.dumps(told, sort_keys=True))


def _restored(found: Answered, cell: Cell, stage: Evaluation, language: str, told: dict[str, Any]) -> int:
    """Adds what a model answered in a language before the evaluation was killed; returns the steps of its training."""
    rows, report = translated_tests.rows(stage.test, language)
    found.add(
        Answered(
            labels=source_of(stage.target.test, cell.data).labels(),
            rows={("test", language): rows},
            answers={("test", language): told["answers"]},
            problems={language: {name: count for name, (count, _) in report.problems.items()}},
            more={language: told["more"]},
            facts=told["facts"],
            tokens={code: Reading(**reading) for code, reading in told["tokens"].items()},
        )
    )
    return int(told["steps"])


def _drawn(cell: Cell, stage: Evaluation, language: str) -> Columns:
    """The shots of a language."""
    assert stage.shots is not None
    of, k = stage.shots.rows, stage.shots.options.k
    rows, report = source_of(of.spec, cell.data).rows(of.split, language)
    if report.problems:
        say(f"  {report}")
    if len(rows["id"]) < k:
        raise StiltsError(
            f"shots.k={k} is refused: {stage.target.name} has {len(rows['id']):,} {of.split} rows in {language} that "
            "can be used; take a smaller k, or give languages=[...] without it."
        )
    chosen = drawn(rows["id"], format_of(stage.target.head).strata(rows), stage.shots.options.draw, k)
    return {name: [values[at] for at in chosen] for name, values in rows.items()}


def _start(cell: Cell, stage: Evaluation, folder_of: FolderOf) -> Start:
    """The parent's model; for ``joint`` the one that the parent began with."""
    assert stage.shots is not None
    if stage.shots.options.arm == "joint":
        parts = build(cell, _training(stage), folder_of)
        (own,) = parts.heads.values()
        return Start(own, parts.tokenizer, parts.source.place)
    source, origin = encoder_source(stage, folder_of), pretrained_source(stage, folder_of)
    recipe, format = stage.shots.task.task.recipe, format_of(stage.target.head)
    whole = None if origin.random else origin
    encoder = load(source, cell.trainer.gradient_checkpointing, recipe.dropout, whole, cell.trainer.packing)
    freeze(encoder, recipe.freeze, "recipe.target.freeze")
    assert stage.seed is not None
    low_rank.adapt(encoder, recipe.lora, stage.seed, "recipe.target.lora")
    options = format.head_options(cell, stage.target.recipe, stage.target.metric)
    labels = source_of(stage.target.test, cell.data).labels()
    head: HeadModule = format.module()(encoder, labels, options, source)
    return Start(head, load_tokenizer(source), source.place)


def _training(stage: Evaluation) -> Training:
    """The training in English that an evaluation goes on with."""
    parent = stage.parent.training if isinstance(stage.parent, Selected) else stage.parent
    assert isinstance(parent, Training), "a target without a training has no shots"
    return parent


class _English:
    """The English rows that are trained on beside shots; their features are made once for all languages."""

    def __init__(self, cell: Cell, stage: Evaluation, folder_of: FolderOf):
        assert stage.shots is not None
        self.cell, self.stage, self.shots, self.folder_of = cell, stage, stage.shots, folder_of
        self._course: Course | None = None
        self._features: Features | None = None

    def stream(self, start: Start, shots: Features) -> StepStream:
        """The steps of a training on shots, in the arm of the cell."""
        assert self.stage.seed is not None
        seed, recipe = self.stage.seed, self.shots.task.task.recipe
        if self.shots.options.arm == "joint":
            return Beside(self._whole(start), shots, seed)
        steps = steps_of(len(shots), recipe.batch_size, recipe.epochs, recipe.max_steps)
        course = Course(NAME, shots, recipe.batch_size, steps)
        if self.shots.options.arm == "replay":
            return Beside(course, self._some(start), seed)
        return StepStream([course], seed)

    def _whole(self, start: Start) -> Course:
        """The training in English with its own steps."""
        if self._course is None:
            training = _training(self.stage)
            (name,) = (task.name for task in training.tasks)
            courses, _, _ = courses_of(self.cell, training, {name: start.head}, start.tokenizer, start.place)
            longer = steps_in(self.cell, training.longer, self.folder_of) if training.longer is not None else 0
            course = courses[0]
            self._course = Course(course.task, course.features, course.batch_size, course.steps + longer)
        return self._course

    def _some(self, start: Start) -> Features:
        """As many English rows as come beside shots in all steps, drawn by the seed."""
        if self._features is None:
            assert self.stage.seed is not None
            k, recipe = self.shots.options.k, self.shots.task.task.recipe
            count = steps_of(k, recipe.batch_size, recipe.epochs, None) * min(recipe.batch_size, k)
            rows = load_rows(self.cell, self.stage.target.train[-1], "train")
            chosen = order(self.stage.seed, "replay", 0, len(rows["id"]))[:count].tolist()
            some = {name: [values[at] for at in chosen] for name, values in rows.items()}
            self._features = start.head.features(some, start.tokenizer)
        return self._features


def _train(cell: Cell, stage: Evaluation, start: Start, stream: StepStream, label: str, folder: Path) -> None:
    """Trains a head and its encoder to the end of the steps; of this nothing is left but the weights in memory."""
    assert stage.shots is not None
    assert stage.seed is not None
    head, recipe = start.head, stage.shots.task.task.recipe
    if cell.trainer.compact_embedding:
        sparse_embedding.shrink(head.encoder, [stream.step(0).features.ids])
    head.optimisation = optimisation_of(cell, recipe, len(stream), stage.seed)
    with phase(f"training {label}", len(stream), cell.trainer.progress) as bar:
        guard = Guard(bar, label, _nowhere)
        fit(head, stream, cell.trainer, [guard], folder)
    sparse_embedding.restore(head.encoder)
    low_rank.merge(head.encoder)


_nowhere: Callable[[dict[str, Any]], None] = lambda point: None  # noqa: E731

"""What the heads of a training learn from, and in how many steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from stilts_xtreme.core.apportion import portions
from stilts_xtreme.core.schema import Columns
from stilts_xtreme.core.specs import Cell
from stilts_xtreme.core.stage import Training
from stilts_xtreme.core.terminal import say
from stilts_xtreme.data.sources import source_of
from stilts_xtreme.models.batch import order
from stilts_xtreme.models.tokenizer import refuse_unknown, tell_length
from stilts_xtreme.tasks.head import HeadModule
from stilts_xtreme.training import mlm
from stilts_xtreme.training.fit import Course, share_steps, steps_of
from stilts_xtreme.training.parents import FolderOf, load_rows
from stilts_xtreme.training.setup import build


def courses_of(
    cell: Cell, stage: Training, heads: Mapping[str, HeadModule], tokenizer: Any, place: str
) -> tuple[list[Course], dict[str, int], dict[str, Columns]]:
    """The features and steps of the tasks of a training; masked language modelling comes besides.

    Args:
        cell: A cell that needs it.
        stage: The training.
        heads: Its heads, by task.
        tokenizer: The encoder's.
        place: What errors call the encoder.

    Returns:
        The courses; task -> number of its rows; and task -> the first of them, as many as dev rows.
    """
    courses, rows_of, trained = [], {}, {}
    translation = stage.translated.options if stage.translated else None
    placebo = stage.seed if stage.placebo else None
    read = [load_rows(cell, task, "train", translation, placebo) for task in stage.tasks]
    whole = [len(rows["id"]) for rows in read]
    loaded = _volume(read, stage)
    del read
    for task, rows, count in zip(stage.tasks, loaded, whole, strict=True):
        say(f"  {task.name}: {len(rows['id']):,} rows" + ", with the answers of other rows" * stage.placebo)
        head = heads[task.name]
        features = head.features(rows, tokenizer)
        language = source_of(task.datasets[0], cell.data).source_language
        refuse_unknown(features, tokenizer, place, f"{task.name} in {language}")
        tell_length(tokenizer, head.options.max_length, place)
        units = len(features)
        if stage.volume_steps == "whole":  # of questions and of words, windows in the same proportion
            units = round(units * count / len(rows["id"]))
        steps = steps_of(units, task.recipe.batch_size, task.recipe.epochs, task.recipe.max_steps)
        courses.append(Course(task.name, features, task.recipe.batch_size, steps))
        rows_of[task.name] = len(rows["id"])
        trained[task.name] = {name: values[: task.recipe.dev_rows] for name, values in rows.items()}
    if len(courses) > 1:
        courses = share_steps(courses, stage.sampling)
    return courses, rows_of, trained


def steps_in(cell: Cell, stage: Training, folder_of: FolderOf) -> int:
    """The steps that a training takes at the most, counted from its rows; it is not trained.

    Args:
        cell: A cell that needs them.
        stage: The training.
        folder_of: Gives the folder of a finished stage, such as its parent.
    """
    say(f"  counting the steps of {stage.label}")
    parts = build(cell, stage, folder_of)
    courses, _, _ = courses_of(cell, stage, parts.heads, parts.tokenizer, parts.source.place)
    steps = sum(course.steps for course in courses)
    return steps + (mlm.steps_beside(stage.mlm.options, steps) if stage.mlm is not None else 0)


def _volume(loaded: list[Columns], stage: Training) -> list[Columns]:
    """The examples that the stage's volume leaves, in the order of the rows.

    They are the first ones of a permutation that the seed alone decides, so that a smaller volume is part of a larger
    one; of a number in all this holds for each task up to the rounding of its share.
    """
    if stage.volume is None:
        return loaded
    sizes = [len(rows["id"]) for rows in loaded]
    kept = []
    for task, rows, size, count in zip(stage.tasks, loaded, sizes, portions(sizes, stage.volume), strict=True):
        chosen = np.sort(order(stage.seed, f"volume {task.name}", 0, size)[:count]).tolist()
        kept.append({name: [values[at] for at in chosen] for name, values in rows.items()})
    return kept

"""Chooses for each language the weights, among those of evaluation points, that score best on its own dev rows."""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from pathlib import Path

from stilts_xtreme.core.specs import Cell
from stilts_xtreme.core.stage import Evaluation, Training
from stilts_xtreme.models.encoder import Source
from stilts_xtreme.tasks import format_of
from stilts_xtreme.tasks.checkpoint import model_folder, save
from stilts_xtreme.training.answering import Answered, answer
from stilts_xtreme.training.parents import FolderOf
from stilts_xtreme.training.points import parts_at, points_of


def oracle(
    cell: Cell, stage: Evaluation, folder_of: FolderOf, scratch: Path, wanted: Sequence[tuple[str, str]]
) -> tuple[Answered, dict[str, int]]:
    """Answers in each language with the weights that score best on its own dev rows, and the steps of these weights."""
    training, target = stage.parent, stage.target
    assert isinstance(training, Training)
    steps = [point["step"] for point in points_of(folder_of(training.key))]
    metric, best = format_of(target.head).metric(target.metric), dict.fromkeys(stage.languages, (-math.inf, 0))
    asked = [("validation", language) for language in stage.languages]
    for step in steps:
        dev = answer_at(cell, stage, training, folder_of, step, scratch, asked, checks=step == steps[0])
        for language in stage.languages:
            gold = format_of(target.head).gold(dev.rows["validation", language], dev.labels)
            score = metric.main_score(dev.answers["validation", language], gold, language)
            if score > best[language][0]:  # of equal scores the first one, as in a training that selects
                best[language] = score, step
    found = Answered()
    for step in sorted({step for _, step in best.values()}):
        own = [key for key in wanted if best[key[1]][1] == step]
        found.add(answer_at(cell, stage, training, folder_of, step, scratch, own))
    return found, {language: step for language, (_, step) in best.items()}


def answer_at(
    cell: Cell,
    stage: Evaluation,
    training: Training,
    folder_of: FolderOf,
    step: int,
    scratch: Path,
    wanted: Sequence[tuple[str, str]],
    checks: bool = False,
) -> Answered:
    """Answers with the weights of one evaluation point, whose model is written for a moment."""
    folder = scratch / ".point"
    parts = parts_at(cell, training, folder_of, [step])
    save(folder, parts.encoder, parts.heads, parts.tokenizer, [])
    del parts
    try:
        return answer(cell, stage, Source(str(model_folder(folder, stage.head))), wanted, checks)
    finally:
        shutil.rmtree(folder)

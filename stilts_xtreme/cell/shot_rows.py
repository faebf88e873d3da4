"""The shots of a cell: the rows of each language that its model is trained on, or why there are none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import yaml

from stilts_xtreme.cell import rows
from stilts_xtreme.core.conf import CONF
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.inputs import FewShot, StageTask
from stilts_xtreme.core.schema import DatasetSpec, DataSpec
from stilts_xtreme.core.specs import Cell, Target
from stilts_xtreme.data.catalogue import load_spec
from stilts_xtreme.data.sources import source_of
from stilts_xtreme.tasks import format_of


def split_of(spec: DatasetSpec, data: DataSpec) -> str:
    """The split of a data set that shots are drawn from; never the test rows."""
    source = source_of(spec, data)
    others = [language for language in source.languages("train") if language != source.source_language]
    return spec.shots or ("train" if others else "validation")


def few_shot(cell: Cell, target: Target, languages: Sequence[str]) -> FewShot | None:
    """What the model of a cell is trained on in each language before it is evaluated there.

    In the language that the target is trained in there are no shots: there the model is left as it is.

    Args:
        cell: The cell.
        target: Its target.
        languages: The languages that are evaluated.

    Returns:
        The shots; None for zero-shot transfer.

    Raises:
        StiltsError: There are no rows to draw from in a language, or fewer than are asked for.
    """
    options = cell.shots
    if options is None:
        return None
    asked = f"shots.k={options.k}"
    if not _fits(target.head, bool(target.train)):
        raise StiltsError(
            f"{asked} is refused: no head of {target.name} is trained that could learn from shots; take a target that "
            f"has rows in its languages, such as {_those_with_rows(cell)}."
        )
    spec, split = target.test, split_of(target.test, cell.data)
    source = source_of(spec, cell.data)
    wanted = [language for language in languages if language != source.source_language]
    present = source.languages(split)
    lacking = [language for language in wanted if language not in present]
    if not wanted:
        raise StiltsError(
            f"{asked} is refused: {target.name} is evaluated in {source.source_language} alone, which it is trained "
            "in; give other languages to languages=[...]."
        )
    if len(lacking) == len(wanted):
        raise StiltsError(
            f"{asked} is refused: {target.name} has no rows but its test rows in {', '.join(lacking)}; take a target "
            f"that has, such as {_those_with_rows(cell)}."
        )
    if lacking:
        kept = ",".join(language for language in languages if language not in lacking)
        raise StiltsError(
            f"{asked} is refused: {target.name} has no {split} rows in {', '.join(lacking)} to draw from; give "
            f"languages=[{kept}]."
        )
    drawn_from = rows.rows_in(cell, spec, split, wanted)
    few = {language: count for language, count in rows.counts(drawn_from).items() if 0 < count < options.k}
    if few:
        raise StiltsError(
            f"{asked} is refused: {target.name} has fewer {split} rows to draw from in "
            f"{', '.join(f'{language} ({count:,})' for language, count in few.items())}; take a smaller k, or give "
            "languages=[...] without these."
        )
    last = target.train[-1]
    recipe = replace(last.recipe, selection="last", eval_every=None, patience=None)
    if options.arm != "joint":
        rate = options.learning_rate or recipe.learning_rate
        # a number of steps that was meant for the training in English is none for so few rows
        recipe = replace(recipe, learning_rate=rate, epochs=options.epochs, max_steps=None, warmup_steps=None)
    if cell.model.weights == "random":  # as in the training in English
        recipe = replace(recipe, freeze=None, lora=None)
    task = replace(last, datasets=(spec,), recipe=recipe)
    learns = StageTask(task, (drawn_from,), (), format_of(task.head).training_settings(cell, recipe))
    english = rows.source_rows(cell, last.datasets, "train") if options.arm != "after" else ()
    return FewShot(options, learns, english)


def _fits(head: str, trained: bool) -> bool:
    return trained and format_of(head).candidates is None  # a ranking learns from pairs, not from what it ranks


def _those_with_rows(cell: Cell) -> str:
    """Names of the targets of which other languages than the source have rows to draw from."""
    found = []
    for path in sorted((CONF / "target").glob("*.yaml")):
        target = yaml.safe_load(path.read_text(encoding="utf-8"))
        if not _fits(target["head"], bool(target["train"])):
            continue
        spec = load_spec(target["test"])
        try:
            source = source_of(spec, cell.data)
        except StiltsError:  # the synthetic world has not all data sets
            continue
        if set(source.languages(split_of(spec, cell.data))) - {source.source_language}:
            found.append(target["name"])
    return ", ".join(found) or "one of your own"

"""The answers of a study's cells, gathered by encoder, intermediate task and target, for contrasts between them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.text import option_value
from stilts_xtreme.data.language_table import UNSEEN
from stilts_xtreme.data.language_table import languages as languages_table
from stilts_xtreme.data.synthetic import SHARES
from stilts_xtreme.report.answers import Answers, Target, target_of
from stilts_xtreme.report.evidence import EVERY, ZERO_SHOT
from stilts_xtreme.report.labels import (
    Label,
    control,
    evaluation,
    identity,
    labels,
    meaningless,
    random_weights,
    reasons,
    unlearnt,
)
from stilts_xtreme.report.results import FinishedCell
from stilts_xtreme.report.statistics.gains import Gain, contrasts
from stilts_xtreme.tasks.metrics.items import Items

RICH, LOW = "much text", "little text"
"""Classes of languages beside the unseen ones, by text in CC-100: high and mid, and low and very low, of
:mod:`stilts_xtreme.data.language_table`."""
UNREAD = "unseen script"
"""Of the unseen languages those in whose script CC-100 has no language: Tibetan, Tifinagh, Ol Chiki and N'Ko."""
SYNTHETIC_RICH = 0.5
"""A synthetic language with at least this share of the most text has much of it."""


@dataclass(frozen=True)
class Arm:
    """The cells of one encoder, one intermediate task and one target, with several seeds.

    Attributes:
        encoder: The encoder's name.
        before: What came before the target; ``none`` for the baseline.
        target: The target.
        first: The result of its first seed, for what its seeds have in common.
        seeds: Seed -> language -> what items add to the score.
    """

    encoder: str
    before: str
    target: str
    first: Mapping[str, Any]
    seeds: dict[int, Mapping[str, Items]] = field(default_factory=dict)


@dataclass(frozen=True)
class TargetArms:
    """All arms of a target.

    Attributes:
        name: Its name.
        arms: (encoder, before) -> arm.
        parallel: Whether its test rows are the same items in all languages.
        by_items: Whether answers were there. Without them intervals hold the noise of seeds alone.
        means: Name of a mean over languages -> its languages.
    """

    name: str
    arms: Mapping[tuple[str, str], Arm]
    parallel: bool
    by_items: bool
    means: Mapping[str, Sequence[str]]

    def contrasts(self, wanted: Mapping[str, Mapping[tuple[str, str], float]]) -> dict[str, dict[str, Gain]]:
        """Weighted sums of the scores of arms (:func:`stilts_xtreme.report.statistics.gains.contrasts`).

        Args:
            wanted: Name of a contrast -> (encoder, before) -> weight.

        Returns:
            Contrast -> language or mean -> value.

        Raises:
            StiltsError: Two arms have no seed in common, or answered other items.
        """
        named = {" / ".join(key): arm.seeds for key, arm in self.arms.items() if any(key in w for w in wanted.values())}
        weights = {name: {" / ".join(key): w for key, w in by.items()} for name, by in wanted.items()}
        return contrasts(named, weights, self.parallel and self.by_items, self.means)


Made = TypeVar("Made")
Read = Callable[[FinishedCell, Target, Answers, Sequence[str]], Mapping[str, Items] | None]
"""From a cell, its target, all answers and the languages to what its items add to a score; None without answers."""


def _official(
    cell: FinishedCell, target: Target, answers: Answers, languages: Sequence[str]
) -> Mapping[str, Items] | None:
    return answers.items(evaluation(cell.result), target, languages)


def gather(
    cells: Sequence[FinishedCell], read: Read = _official, controls: bool = False, keep_unlearnt: bool = False
) -> tuple[dict[str, TargetArms], list[str]]:
    """The arms of all targets, and a sentence for each cell in which a training came to nothing.

    Controls with random weights are passed over. What collapsed or found nothing is left out.

    Args:
        cells: Finished cells.
        read: What items add to a score; those of the official metric by default.
        controls: Whether controls of intermediate tasks are arms too, such as ``placebo(mnli)``.
        keep_unlearnt: Whether cells stay of which the intermediate training alone came to nothing; they get a sentence.

    Raises:
        StiltsError: Files of answers are damaged.
    """
    left_out = random_weights if controls else control
    kept = [cell for cell in cells if cell.result["target"] and not left_out(cell.result)]
    answers, notes = Answers.of(kept), []
    by_target: dict[str, list[tuple[FinishedCell, Label]]] = {}
    named = labels([cell.result for cell in kept])
    encoders = _encoders([(label.encoder, cell.result) for cell, label in zip(kept, named, strict=True)])
    for cell, label, encoder in zip(kept, named, encoders, strict=True):
        label = replace(label, encoder=encoder)
        stays = keep_unlearnt and unlearnt(cell.result)
        if meaningless(cell.result):
            what = "counts, though it learnt nothing before" if stays else "is left out"
            notes.append(f"{label.row} > {label.column}, seed {cell.result['seed']}, {what}: {reasons(cell.result)}.")
        if stays or not meaningless(cell.result):
            by_target.setdefault(label.column, []).append((cell, label))
    return {name: _target(name, found, answers, read) for name, found in by_target.items()}, notes


@contextmanager
def saying(left_out: Sequence[str]) -> Iterator[None]:
    """Adds to an error why cells were left out, which may be why others are missing.

    Args:
        left_out: Sentences, of which the first three are said.
    """
    try:
        yield
    except StiltsError as error:
        raise StiltsError(" ".join([str(error), *left_out[:3]])) from error


def answered(targets: Iterable[TargetArms], make: Callable[[TargetArms], Made], notes: list[str]) -> list[Made]:
    """What a study makes of each target. One that lacks something takes no answer of another one away.

    Args:
        targets: The arms of each.
        make: Makes it.
        notes: Sentences on what is left out. Why a target has no answer is added.

    Raises:
        StiltsError: No target has one: why the first has none.
    """
    found: list[Made] = []
    refused: list[tuple[str, StiltsError]] = []
    for target in targets:
        try:
            found.append(make(target))
        except StiltsError as error:
            refused.append((target.name, error))
    if refused and not found:
        with saying(notes):
            raise refused[0][1]
    notes += [f"{name} has no answer. {error}" for name, error in refused]
    return found


def _encoders(named: Sequence[tuple[str, Mapping[str, Any]]]) -> list[str]:
    """Names of encoders; where one name has two meanings, the options follow in which they differ."""
    meanings: dict[str, dict[str, Mapping[str, Any]]] = {}
    for name, result in named:
        options = {key: v for key, v in (result.get("settings") or {}).items() if key.startswith("model.")}
        meanings.setdefault(name, {}).setdefault(str(identity(result, "encoder")), options)
    found = []
    for name, result in named:
        alike, own = meanings[name], str(identity(result, "encoder"))
        every = sorted({option for options in alike.values() for option in options})
        told = [option for option in every if len({str(options.get(option)) for options in alike.values()}) > 1]
        values = {option.rpartition(".")[2]: option_value(alike[own].get(option)) for option in told}
        shown = ", ".join(f"{option}={value}" for option, value in values.items()) or own[:8]
        found.append(f"{name} ({shown})" if len(alike) > 1 else name)
    return found


def _target(name: str, cells: Sequence[tuple[FinishedCell, Label]], answers: Answers, how: Read) -> TargetArms:
    described = next((found for cell, _ in cells if (found := target_of(cell)) is not None), None)
    languages = _common(cell.result for cell, _ in cells)
    read = [how(cell, described, answers, languages) if described else None for cell, _ in cells]
    by_items = all(found is not None for found in read)
    arms: dict[tuple[str, str], Arm] = {}
    for (cell, label), items in zip(cells, read, strict=True):
        arm = arms.setdefault((label.encoder, label.before), Arm(label.encoder, label.before, name, cell.result))
        if cell.result["seed"] in arm.seeds:
            raise StiltsError(
                f"{label.encoder} / {label.before} > {name} with seed {cell.result['seed']} stands in two cells, which "
                "differ in other settings; a study compares cells that differ in nothing but its axes and the seed. "
                "To leave others out, name the folder of the study itself, as in outputs/studies/NAME; of several "
                "learning rates of the target, --tuned takes the best one."
            )
        arm.seeds[cell.result["seed"]] = items if by_items and items is not None else _scores(cell, languages)
    source = cells[0][0].result.get("source_language")
    read_in = list(next(iter(next(iter(arms.values())).seeds.values())))
    zero_shot = [language for language in read_in if language != source] or read_in
    by_text = {} if any(reads_some(arm) for arm in arms.values()) else _by_resources(zero_shot)
    means = {ZERO_SHOT: zero_shot, EVERY: read_in, **by_text}
    parallel = described is not None and described.parallel
    return TargetArms(name, arms, parallel, by_items, means)


def reads_some(arm: Arm) -> bool:
    """Whether an encoder was pretrained here on some of the languages, so that the amounts of text are not its own."""
    return bool((arm.first.get("settings") or {}).get("model.languages"))


def _by_resources(zero_shot: Sequence[str]) -> dict[str, list[str]]:
    """The languages of each class of pretraining text; empty where all are of one class."""
    found: dict[str, list[str]] = {}
    scripts = {known.script for known in languages_table().values() if known.cc100_gib}
    for language in zero_shot:
        if language in SHARES:
            given = RICH if SHARES[language] >= SYNTHETIC_RICH else LOW if SHARES[language] else UNSEEN
        elif language in languages_table():
            known = languages_table()[language]
            given = RICH if known.resources in ("high", "mid") else LOW
            if known.resources == UNSEEN:
                given = UNSEEN if known.script in scripts else UNREAD
        else:
            continue
        found.setdefault(given, []).append(language)
    return found if len(found) > 1 else {}


def _common(results: Iterable[Mapping[str, Any]]) -> list[str]:
    """The languages that all results have a score in, in the order of the first."""
    found: list[str] | None = None
    for result in results:
        own = [line["language"] for line in result["comparison"] if line.get("value") is not None]
        found = own if found is None else [language for language in found if language in own]
    return found or []


def _scores(cell: FinishedCell, languages: Sequence[str]) -> dict[str, Items]:
    """Each score as that of one item, which adds no noise of items."""
    values = {line["language"]: line["value"] for line in cell.result["comparison"]}
    return {key: Items(["score"], np.array([values[key] / 100]), np.ones(1)) for key in languages}


def no_baseline(encoder: str, target: str) -> str:
    """The sentence for an encoder that has no cell without an intermediate task."""
    return f"{encoder} > {target} has no cell without an intermediate task; add none to +intermediate=."


def size_of(arms: Sequence[Arm]) -> int:
    """The parameters of an encoder without the embedding.

    Args:
        arms: Of one encoder. Results of an earlier version did not have its size where nothing of it was trained, so
            any of them may tell it.

    Raises:
        StiltsError: It is in no result.
    """
    sizes = [(arm.first.get("scale") or {}).get("body") for arm in arms]
    if not any(sizes):
        raise StiltsError(f"The size of {arms[0].encoder} is not in its results, so it has no place among sizes.")
    return int(next(size for size in sizes if size))


def size_confounds(target: str, arms: Sequence[Arm]) -> list[str]:
    """What differs between encoders of several sizes beside their size.

    Args:
        target: The target.
        arms: Of all sizes.
    """
    said = []
    pretrained = {((arm.first.get("scale") or {}).get("pretraining") or {}).get("steps") for arm in arms}
    if len(pretrained) > 1:
        said.append("The sizes were not pretrained for as many steps.")
    if any((arm.first.get("scale") or {}).get("layers") for arm in arms):
        said.append("Sizes are the lowest layers of one encoder; a cut encoder was never pretrained to end there.")
    layers: set[int] = {arm.first["retrieval"]["layer"] for arm in arms if arm.first.get("retrieval")}
    if len(layers) > 1:
        listed = ", ".join(map(str, sorted(layers)))
        why = "the more layers lie above, the less a training may change it"
        said.append(f"{target}: vectors are those of layer {listed}; {why}.")
    return said

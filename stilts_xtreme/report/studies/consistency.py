"""Does intermediate training make a model answer alike in all languages, apart from making it more often right?

Agreement rises with accuracy by itself. Two shares do not. *Transfer*: of the items that are right in the source
language, those that are right in another language too. *Shared errors*: of the items that are wrong in both, those with
the same wrong answer. Both are shares of sums over items, so their gains are paired as those of scores are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.report.answers import Answers, Target
from stilts_xtreme.report.evidence import ZERO_SHOT
from stilts_xtreme.report.labels import BASELINE, evaluation
from stilts_xtreme.report.results import FinishedCell
from stilts_xtreme.report.statistics.gains import Gain
from stilts_xtreme.report.studies.compared import TargetArms, gather, no_baseline, saying
from stilts_xtreme.report.studies.conclusion import Conclusion, Planned, Table, Verdict, corrected, decided, shown, tidy
from stilts_xtreme.tasks.metrics.items import Items

QUESTION = "Does intermediate training make answers more consistent across languages, apart from more often right?"
MORE, LESS, SAME = "more consistent", "less consistent", "the same (shown equivalent)"
TRANSFER, ERRORS = "transfer", "shared errors"
LABELS = ("classification", "choice")
"""Formats whose answers are labels, so that they can be the same in two languages."""

Place = tuple[str, str, str]


def lacking(planned: Sequence[Planned]) -> str | None:
    """Why planned cells cannot say whether answers become more consistent; None where they can."""
    for encoder, target in dict.fromkeys((cell.encoder, cell.target) for cell in planned):
        before = {cell.before for cell in planned if (cell.encoder, cell.target) == (encoder, target)}
        if BASELINE not in before:
            return no_baseline(encoder, target)
        if len(before) == 1:
            return f"study=consistency: {target} has no intermediate task; add one to +intermediate=."
    return None


def items(kind: str, source: Any, answers: Any, gold: Any) -> Items:
    """What each item adds to the transfer of right answers, or to shared errors.

    Args:
        kind: :data:`TRANSFER` or :data:`ERRORS`.
        source: Labels that were given in the source language.
        answers: Those of the same items in another language.
        gold: The right ones.
    """
    given, other, right = (np.array(list(labels), dtype=object) for labels in (source, answers, gold))
    below = given == right if kind == TRANSFER else (given != right) & (other != right)
    above = below & (other == (right if kind == TRANSFER else given))
    return Items([str(n) for n in range(len(right))], above.astype(float), below.astype(float))


def _reader(kind: str) -> Any:
    def read(
        cell: FinishedCell, target: Target, answers: Answers, languages: Sequence[str]
    ) -> Mapping[str, Items] | None:
        source = str(cell.result.get("source_language"))
        if target.format not in LABELS or not target.parallel or source not in languages:
            return None
        found = answers.given(evaluation(cell.result), target, languages)
        if found is None or len({len(gold) for _, gold in found.values()}) > 1:
            return None
        if kind == ERRORS and len({label for _, gold in found.values() for label in gold}) < 3:
            return None  # there is one wrong answer alone, so two errors are always the same
        others = [language for language in languages if language != source]
        return {key: items(kind, found[source][0], *found[key]) for key in others}

    return read


def analyse(cells: Sequence[FinishedCell]) -> Conclusion:
    """The verdicts per target, intermediate task and measure.

    Args:
        cells: Cells with and without intermediate tasks, of targets whose test rows are the same in all languages.

    Raises:
        StiltsError: No target has labels and parallel rows with their answers, or a baseline is missing.
    """
    found: dict[str, dict[Place, Mapping[str, Gain]]] = {}
    notes: dict[str, None] = {}
    for kind in (TRANSFER, ERRORS):
        targets, said = gather(cells, _reader(kind))
        notes |= dict.fromkeys(said)
        usable = {name: target for name, target in targets.items() if target.by_items}
        for name in sorted(set(targets) - set(usable)):
            notes[_why(name, kind == ERRORS and (name in {target for *_, target in found[TRANSFER]}))] = None
        with saying(said):
            found[kind] = {place: by for target in usable.values() for place, by in _gains(target).items()}
    if not found[TRANSFER]:
        raise StiltsError(
            " ".join(["study=consistency needs targets with labels of the same items in all languages.", *notes])
        )
    verdicts = [verdict for kind, by in found.items() for verdict in _verdicts(kind, by)]
    rows = [
        row
        for kind, by_place in found.items()
        for (encoder, task, target), by in by_place.items()
        for row in tidy({"measure": kind, "encoder": encoder, "after": task, "target": target}, by)
    ]
    synthetic = any(cell.result["synthetic"] for cell in cells)
    return Conclusion(QUESTION, verdicts, [_table(found)], list(notes), rows, synthetic)


def _why(target: str, two_labels: bool) -> str:
    """Why a target has no answer."""
    if two_labels:
        return f"{target} has two labels, so that two wrong answers are always the same: it has no shared errors."
    return f"{target} is left out: it has no labels of the same items in all languages, or no answers."


def _gains(target: TargetArms) -> dict[Place, Mapping[str, Gain]]:
    places: list[Place] = []
    wanted = {}
    for encoder, before in target.arms:
        if before != BASELINE:
            if (encoder, BASELINE) not in target.arms:
                raise StiltsError(no_baseline(encoder, target.name))
            wanted[str(len(places))] = {(encoder, before): 1.0, (encoder, BASELINE): -1.0}
            places.append((encoder, before, target.name))
    found = target.contrasts(wanted) if wanted else {}
    return {places[int(at)]: by for at, by in found.items()}


def _verdicts(kind: str, found: Mapping[Place, Mapping[str, Gain]]) -> list[Verdict]:
    means = {place: by[ZERO_SHOT] for place, by in found.items()}
    holm = corrected(means)
    return [
        decided(f"{kind}: {' / '.join(place[:2])} > {place[2]}", gain, holm.get(place), "of change", (MORE, LESS, SAME))
        for place, gain in means.items()
    ]


def _table(found: Mapping[str, Mapping[Place, Mapping[str, Gain]]]) -> Table:
    lines = []
    for place in found[TRANSFER]:
        encoder, task, target = place
        gains = [found[kind].get(place) for kind in (TRANSFER, ERRORS)]
        lines.append([encoder, task, target, *(shown(gain[ZERO_SHOT]) if gain else "" for gain in gains)])
    caption = (
        "Change over no intermediate task, mean over the languages that are not trained on, in points with intervals "
        "of 95 %. Transfer: of the items that are right in the source language, the share that is right in another one "
        "too. Shared errors: of the items that are wrong in both, the share with the same wrong answer; by guessing it "
        "is one in the number of wrong labels."
    )
    return Table(caption, ("encoder", "after", "target", TRANSFER, ERRORS), lines)

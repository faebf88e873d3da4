"""Does intermediate training make a model answer alike in all languages, apart from making it more often right?

Agreement rises with accuracy by itself. Two measures do not. *Transfer*: how much more often an item is right in
another language where it is right in the source language than where it is wrong there. It is 0 for answers that have
nothing to do with one another, and 1 where the same items are right, whatever the accuracies. *Shared errors*: of the
items that are wrong in both, the share with the same wrong answer. Both are made of shares of sums over items, so their
gains are paired as those of scores are.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.report.answers import Answers, Target
from stilts_xtreme.report.evidence import ZERO_SHOT
from stilts_xtreme.report.labels import BASELINE, evaluation
from stilts_xtreme.report.results import FinishedCell
from stilts_xtreme.report.statistics.gains import Gain
from stilts_xtreme.report.studies.compared import TargetArms, answered, gather, no_baseline
from stilts_xtreme.report.studies.conclusion import Conclusion, Planned, Table, Verdict, corrected, decided, shown, tidy
from stilts_xtreme.tasks.metrics.items import Items

QUESTION = "Does intermediate training make answers more consistent across languages, apart from more often right?"
MORE, LESS, SAME = "more consistent", "less consistent", "the same (shown equivalent)"
TRANSFER, ERRORS = "transfer", "shared errors"
RIGHT, WRONG = "right in the source language", "wrong in the source language"
PARTS: Mapping[str, Mapping[str, str]] = {TRANSFER: {RIGHT: "+", WRONG: "-"}, ERRORS: {ERRORS: "+"}}
"""Measure -> the shares that it is made of, and whether each is added or taken away."""
LABELS = ("classification", "choice")
"""Formats whose answers are labels, so that they can be the same in two languages."""

Place = tuple[str, str, str]


def lacking(planned: Sequence[Planned]) -> str | None:
    """Why planned cells cannot say whether answers become more consistent; None where they can."""
    usable = [cell for cell in planned if not cell.head or (cell.head in LABELS and cell.parallel)]
    if not usable:
        names = ", ".join(sorted({cell.target for cell in planned}))
        return (
            f"study=consistency: {names} has no labels of the same items in all languages; take +target=sib200, xnli "
            "or pawsx."
        )
    blind = next((cell for cell in usable if cell.languages and cell.source not in cell.languages), None)
    if blind is not None:
        return (
            f"study=consistency: {blind.target} is not evaluated in {blind.source}, the language that is trained on "
            "and that others are compared with; add it to languages=."
        )
    for encoder, target in dict.fromkeys((cell.encoder, cell.target) for cell in usable):
        before = {cell.before for cell in planned if (cell.encoder, cell.target) == (encoder, target)}
        if BASELINE not in before:
            return no_baseline(encoder, target)
        if len(before) == 1:
            return f"study=consistency: {target} has no intermediate task; add one to +intermediate=."
    return None


def items(part: str, source: Any, answers: Any, gold: Any) -> Items:
    """What each item adds to a share.

    Args:
        part: :data:`RIGHT`: of the items that are right in the source language, those that are right in another one.
            :data:`WRONG`: the same of the items that are wrong there. :data:`ERRORS`: of the items that are wrong in
            both, those with the same answer.
        source: Labels that were given in the source language.
        answers: Those of the same items in another language.
        gold: The right ones.
    """
    given, other, right = (np.array(list(labels), dtype=object) for labels in (source, answers, gold))
    below = given == right if part == RIGHT else given != right
    if part == ERRORS:
        below &= other != right
    above = below & (other == (given if part == ERRORS else right))
    return Items([str(n) for n in range(len(right))], above.astype(float), below.astype(float))


def _reader(part: str) -> Any:
    def read(
        cell: FinishedCell, target: Target, answers: Answers, languages: Sequence[str]
    ) -> Mapping[str, Items] | None:
        source = str(cell.result.get("source_language"))
        if target.format not in LABELS or not target.parallel or source not in languages:
            return None
        found = answers.given(evaluation(cell.result), target, languages)
        if found is None or len({len(gold) for _, gold in found.values()}) > 1:
            return None
        if part == ERRORS and len({label for _, gold in found.values() for label in gold}) < 3:
            return None  # there is one wrong answer alone, so two errors are always the same
        others = [language for language in languages if language != source]
        return {key: items(part, found[source][0], *found[key]) for key in others}

    return read


def _targets(cells: Sequence[FinishedCell], kind: str, notes: dict[str, None]) -> dict[str, TargetArms]:
    """The targets that have a measure, with an arm for each of its parts."""
    found: dict[str, TargetArms] = {}
    for part, sign in PARTS[kind].items():
        targets, said = gather(cells, _reader(part))
        notes |= dict.fromkeys(said)
        for name, target in targets.items():
            own = {(encoder, f"{sign}{before}"): arm for (encoder, before), arm in target.arms.items()}
            known = found.get(name)
            found[name] = replace(target, arms={**known.arms, **own} if known else own)
    return {name: _with_items(target, kind, notes) for name, target in found.items()}


def _with_items(target: TargetArms, kind: str, notes: dict[str, None]) -> TargetArms:
    """Without the languages in which some arm has no item that the share is of."""
    if not target.by_items:
        return target
    runs = [run for arm in target.arms.values() for run in arm.seeds.values()]
    empty = [language for language in runs[0] if any(not run[language].below.sum() for run in runs)]
    if not empty:
        return target
    notes[f"{target.name}, {kind}: {', '.join(empty)} left out, as some run has no item there to take a share of."] = (
        None
    )
    arms = {
        key: replace(
            arm,
            seeds={
                seed: {language: own for language, own in run.items() if language not in empty}
                for seed, run in arm.seeds.items()
            },
        )
        for key, arm in target.arms.items()
    }
    means = {name: [code for code in of if code not in empty] for name, of in target.means.items()}
    return replace(target, arms=arms, means={name: of for name, of in means.items() if of})


def analyse(cells: Sequence[FinishedCell]) -> Conclusion:
    """The verdicts per target, intermediate task and measure.

    Args:
        cells: Cells with and without intermediate tasks, of targets whose test rows are the same in all languages.

    Raises:
        StiltsError: No target has labels and parallel rows with their answers, or a baseline is missing.
    """
    found: dict[str, dict[Place, Mapping[str, Gain]]] = {}
    notes: dict[str, None] = {}
    for kind in PARTS:
        targets = _targets(cells, kind, notes)
        usable = {name: target for name, target in targets.items() if target.by_items and target.means}
        for name in sorted(set(targets) - set(usable)):
            notes[_why(name, kind == ERRORS and (name in {target for *_, target in found[TRANSFER]}))] = None
        told = list(notes)
        parts = answered(usable.values(), partial(_gains, signs=PARTS[kind].values()), told)
        notes |= dict.fromkeys(told)
        found[kind] = {place: by for part in parts for place, by in part.items()}
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


def _gains(target: TargetArms, signs: Collection[str]) -> dict[Place, Mapping[str, Gain]]:
    places: list[Place] = []
    wanted = {}
    for encoder, before in target.arms:
        if before == f"+{BASELINE}":
            wanted[str(len(places))] = {(encoder, f"{sign}{BASELINE}"): float(f"{sign}1") for sign in signs}
            places.append((encoder, BASELINE, target.name))
        elif before.startswith("+"):
            if (encoder, f"+{BASELINE}") not in target.arms:
                raise StiltsError(no_baseline(encoder, target.name))
            task = before.removeprefix("+")
            wanted[str(len(places))] = {
                (encoder, f"{sign}{name}"): float(f"{sign}1") * factor
                for sign in signs
                for name, factor in ((task, 1.0), (BASELINE, -1.0))
            }
            places.append((encoder, task, target.name))
    found = target.contrasts(wanted) if wanted else {}
    return {places[int(at)]: by for at, by in found.items()}


def _verdicts(kind: str, found: Mapping[Place, Mapping[str, Gain]]) -> list[Verdict]:
    means = {place: by[ZERO_SHOT] for place, by in found.items() if place[1] != BASELINE}
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
        "Without an intermediate task, and what changes after one, mean over the languages that are not trained on, in "
        "points with intervals of 95 %. Transfer: the share of right answers among the items that are right in the "
        "source language, less that among the items that are wrong there; 0 for answers that have nothing to do with "
        "one another, 100 where the same items are right. Shared errors: of the items that are wrong in both, the "
        "share with the same wrong answer; by guessing it is one in the number of wrong labels."
    )
    return Table(caption, ("encoder", "after", "target", TRANSFER, ERRORS), lines)

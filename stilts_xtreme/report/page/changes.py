"""What changed over all items of a target: gained and lost, agreement of languages, groups of items, confusions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from stilts_xtreme.report.page.arms import Answering, Gold, Pair
from stilts_xtreme.tasks.format import TaskFormat

LABELS = 20
"""A confusion is shown for so many labels at the most."""
RIGHT = 0.5
"""An item with at least this share of its score counts as right."""


def changes(
    rows: Mapping[str, Pair], gold: Gold, languages: Sequence[str], source: str | None, format: TaskFormat
) -> dict[str, Any]:
    """What changed over all items, and not only those that are shown.

    Args:
        rows: Row -> what it answered, and what its baseline did.
        gold: The right answers.
        languages: The languages.
        source: The language that is trained on; None where items are not the same in all languages.
        format: The format of the target.

    Returns:
        ``counts`` (row -> language -> ``gained``, ``lost``, ``items``, and before and after the percentage of items
        that agree with the source language, ``agree_``, and RankC with it, ``rankc_``), ``grouped`` and ``confusion``.
    """
    return {
        "counts": {row: _counts(pair, languages, source, format) for row, pair in rows.items()},
        "grouped": _grouped(rows, gold, languages, format),
        "confusion": _confusions(rows, gold, languages),
    }


def _counts(
    pair: Pair, languages: Sequence[str], source: str | None, format: TaskFormat
) -> dict[str, dict[str, float | None]]:
    own, base = pair
    counts: dict[str, dict[str, float | None]] = {}
    for code in languages:
        after, before = own.scores[code], base.scores[code]
        keys = list(dict.fromkeys((*after, *before)))
        alike = source is not None and code != source
        counts[code] = {
            "gained": sum(after.get(key, 0) > before.get(key, 0) for key in keys),
            "lost": sum(after.get(key, 0) < before.get(key, 0) for key in keys),
            "items": len(keys),
            "agree_before": _agreement(base, code, str(source)) if alike else None,
            "agree_after": _agreement(own, code, str(source)) if alike else None,
            "rankc_before": _rank_consistency(base, code, str(source), format) if alike else None,
            "rankc_after": _rank_consistency(own, code, str(source), format) if alike else None,
        }
    return counts


def _agreement(arm: Answering, code: str, source: str) -> float:
    """The percentage of items that are right in a language and in the source language, or wrong in both."""
    own, other = arm.scores[code], arm.scores[source]
    same = [(own[key] >= RIGHT) == (other[key] >= RIGHT) for key in own if key in other]
    return 100 * sum(same) / len(same) if same else 0.0


def _rank_consistency(arm: Answering, code: str, source: str, format: TaskFormat) -> float | None:
    """The mean over items of how alike two languages rank candidates, in percent; None where answers are no rankings.

    Languages that choose from other candidates cannot be compared: then no candidate is ranked in both.
    """
    own, other = arm.answers[code], arm.answers[source]
    found = [format.rank_consistency(own[key], other[key]) for key in own if key in other]
    known = [value for value in found if value is not None]
    if not known or not {name for names in own.values() for name in names} & {n for ns in other.values() for n in ns}:
        return None
    return 100 * fmean(known)


def _grouped(
    rows: Mapping[str, Pair], gold: Gold, languages: Sequence[str], format: TaskFormat
) -> dict[str, Any] | None:
    """Scores by groups of items; None where the format has no groups.

    Returns:
        ``about`` the groups, ``groups`` (grouping -> its groups), and ``rows``: row -> language -> lines of grouping,
        group, count of items, and mean score before and after in percent; groups without an item have no line.
    """
    if not format.groupings:
        return None
    of_items = {code: {str(key): format.groups(right) for key, right in gold.read[code].items()} for code in languages}
    found = {
        row: {code: _lines(pair, code, of_items[code], format.groupings) for code in languages}
        for row, pair in rows.items()
    }
    return {"about": format.groupings_about, "groups": format.groupings, "rows": found}


def _lines(
    pair: Pair, code: str, groups: Mapping[str, Mapping[str, str]], groupings: Mapping[str, Sequence[str]]
) -> list[list[Any]]:
    after, before = (arm.scores[code] for arm in pair)
    lines: list[list[Any]] = []
    for grouping, names in groupings.items():
        for name in names:
            keys = [key for key, of in groups.items() if of[grouping] == name]
            if keys:
                means = [100 * fmean(scores.get(key, 0.0) for key in keys) for scores in (before, after)]
                lines.append([grouping, name, len(keys), *means])
    return lines


def _confusions(rows: Mapping[str, Pair], gold: Gold, languages: Sequence[str]) -> dict[str, Any] | None:
    """Row -> right label, answer, count before and after, over all languages; None where answers are no labels."""
    tables: dict[str, list[list[Any]]] = {}
    for row, pair in rows.items():
        after, before = (_confused(arm, gold, languages) for arm in pair)
        if after is None or before is None:
            return None
        tables[row] = [[*key, before[key], after[key]] for key in sorted({*before, *after})]
    labels = sorted({str(line[0]) for table in tables.values() for line in table})
    if not 1 < len(labels) <= LABELS:
        return None
    return {"labels": labels, "rows": tables}


def _confused(arm: Answering, gold: Gold, languages: Sequence[str]) -> Counter[tuple[str, str]] | None:
    """(right label, answer) -> count, of rows or of the tags of sentences; None where an answer has no counterpart."""
    found: Counter[tuple[str, str]] = Counter()
    for code in languages:
        for key, right in gold.answers[code].items():
            said = arm.answers[code].get(key)
            if isinstance(right, list) and isinstance(said, list) and len(right) == len(said):
                found.update(zip(right, said, strict=True))
            elif isinstance(right, str) and isinstance(said, str):
                found[right, said] += 1
            else:
                return None
            if len(found) > LABELS**2:
                return None
    return found

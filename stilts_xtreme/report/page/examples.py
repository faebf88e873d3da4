"""The answers of each target before and after intermediate training, for the browser of examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from stilts_xtreme.report.answers import Answers, Target, target_of
from stilts_xtreme.report.page.arms import Answering, Gold, Pair, read_arm, read_gold, shown
from stilts_xtreme.report.page.changes import changes
from stilts_xtreme.report.page.pretraining_text import in_order
from stilts_xtreme.report.page.runs import Run
from stilts_xtreme.report.page.texts import Texts
from stilts_xtreme.report.page.texts import read as read_texts
from stilts_xtreme.tasks import format_of

ITEMS = 200
"""So many items of a target stand on the page at the most, evenly spaced in the order of the file."""
ANSWERS = 40_000
"""So many answers of a target at the most."""
CHARACTERS = 1_000_000
"""So many characters of texts of a target at the most; then fewer items are shown."""
NO_TEXTS = "The texts of the items are left out, as was asked for."


def examples(found: Sequence[Run], texts: bool = True) -> list[dict[str, Any]]:
    """The answers of each target, of the first seed that both arms have.

    Args:
        found: The runs.
        texts: Whether the texts of the items are shown, where they are at hand.

    Returns:
        For each target whose files are there ``target``, ``seed``, ``rows``, ``languages``, ``source``, ``parallel``,
        ``count`` of its items, ``items`` that are shown, ``words`` (every text once; items name them by position),
        what :func:`.changes.changes` gives, ``licence`` of the texts, and ``missing``: why there are none. Of an item:
        its id, and for each language the position of the language, the right answer, the texts (name and text, or
        name, text, what is marked, and the rest), and for each row answer before, answer after, share of the score
        before and after.

    Raises:
        StiltsError: Files are there, and cannot be read.
    """
    answers = Answers.of(run.cell for run in found)
    by_column: dict[str, list[Run]] = {}
    for run in found:
        by_column.setdefault(run.column, []).append(run)
    pages = []
    for column, of in by_column.items():
        target = next(filter(None, (target_of(run.cell) for run in of)), None)
        if target is not None and (page := _target(column, of, target, answers, texts)):
            pages.append(page)
    return pages


def _target(column: str, of: Sequence[Run], target: Target, answers: Answers, texts: bool) -> dict[str, Any] | None:
    compared = [run for run in of if run.base_key and not run.lost]
    for seed in sorted({run.seed for run in compared}):
        bases: dict[str | None, Answering | None] = {}
        rows: dict[str, Pair] = {}
        gold, first = None, None
        for run in compared:
            if run.seed != seed:
                continue
            if run.base_key not in bases:
                bases[run.base_key] = read_arm(answers, run.base_key, target)
            own, base = read_arm(answers, run.key, target), bases[run.base_key]
            if own is not None and base is not None:
                rows[run.row] = own, base
                first = first or run
                gold = gold or read_gold(answers, run.key, target)
        if rows and gold and first:
            none = Texts(format_of(target.format), missing=NO_TEXTS)
            found = read_texts(first.cell, target, gold.folder, gold.read) if texts else none
            return _page(column, seed, rows, gold, found, target, of[0].source)
    return None


def _page(
    column: str, seed: int, rows: Mapping[str, Pair], gold: Gold, texts: Texts, target: Target, source: str | None
) -> dict[str, Any]:
    arms = [arm for pair in rows.values() for arm in pair]
    answered = (code for code in gold.answers if all(code in arm.scores for arm in arms))
    languages = sorted((language.code for language in in_order(answered)), key=lambda code: code != source)
    ids = {code: list(dict.fromkeys(key for arm in arms for key in arm.scores[code])) for code in languages}
    parallel = target.parallel and len({tuple(found) for found in ids.values()}) == 1
    if parallel:
        places = [(key, languages) for key in ids[languages[0]]]
    else:
        places = [(key, [code]) for code in languages for key in ids[code]]
    each = (len(languages) if parallel else 1) * (len(rows) + 1)
    words: dict[str, int] = {}

    def word(answer: Any) -> int:
        return words.setdefault(shown(answer), len(words))

    def said(code: str, key: str, answer: Any) -> int:
        return word(texts.in_words(code, key, answer, gold.answers[code].get(key, "")))

    most = min(ITEMS, max(1, ANSWERS // each))
    drawn = _spaced(places, 20)
    length = sum(len("".join(part)) for key, codes in drawn for code in codes for part in texts.parts(code, key))
    most = min(most, max(1, CHARACTERS * len(drawn) // max(1, length)))
    items = []
    for key, codes in _spaced(places, most):
        lines = []
        for code in codes:
            pairs = [
                [
                    said(code, key, base.answers[code].get(key, "")),
                    said(code, key, own.answers[code].get(key, "")),
                    round(base.scores[code].get(key, 0.0), 3),
                    round(own.scores[code].get(key, 0.0), 3),
                ]
                for own, base in rows.values()
            ]
            right = gold.answers[code].get(key, "")
            parts = [[words.setdefault(text, len(words)) for text in part] for part in texts.parts(code, key)]
            lines.append([languages.index(code), said(code, key, right), parts, pairs])
        items.append([key, lines])
    source = source if source in languages else None
    return {
        "target": column,
        "seed": seed,
        "rows": list(rows),
        "languages": languages,
        "source": source,
        "parallel": parallel,
        "count": len(places),
        "items": items,
        "words": list(words),
        **changes(rows, gold, languages, source if parallel else None, texts.format),
        "licence": texts.licence if texts.rows else None,
        "missing": texts.missing,
    }


def _spaced(places: Sequence[Any], most: int) -> list[Any]:
    if len(places) <= most:
        return list(places)
    return [places[at] for at in np.linspace(0, len(places) - 1, most).astype(int)]

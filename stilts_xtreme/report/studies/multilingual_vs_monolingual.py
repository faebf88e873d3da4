"""A multilingual encoder, or one encoder for each language?

In each language that has a monolingual encoder, trained in that language, the multilingual one is compared with it
twice: trained in the same language, and trained in another one (zero-shot). In languages of which there are translated
test rows, the zero-shot multilingual encoder is also compared with a monolingual one of the language that both were
trained in, which reads the translations (translate-test). Both answered the same items, so the differences are paired.
Costs are those of an item, never of a token: an item is the same text for both tokenizers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.report import costs
from stilts_xtreme.report.families import short
from stilts_xtreme.report.results import FinishedCell
from stilts_xtreme.report.studies.conclusion import Conclusion, Planned, Table, corrected, decided, shown, tidy
from stilts_xtreme.report.studies.language_pairs import ZERO_SHOT, Pair, pairs, pool
from stilts_xtreme.report.studies.prices import Prices

QUESTION = "What does one multilingual encoder give, and cost, against a monolingual encoder for each language?"
MULTI, MONO = "the multilingual encoder is better", "the monolingual encoder is better"
SAME = "the same (shown equivalent)"
ITEMS = (0, 10_000, 1_000_000)
"""Items to answer in each language, for which the break-even is told."""
TOKENS = ("fertility", "continued", "unknown")
"""Of ``tokens.csv``: sub-tokens per word, words of several sub-tokens, and unknown ones (Rust et al. 2021)."""


def lacking(planned: Sequence[Planned]) -> str | None:
    """Why planned cells cannot compare a multilingual encoder with a monolingual one; None where they can."""
    for target in dict.fromkeys(cell.target for cell in planned):
        encoders = {cell.encoder for cell in planned if cell.target == target}
        if len(encoders) < 2:
            return (
                f"study=multilingual_vs_monolingual: {target} has one encoder, {next(iter(encoders))}, and needs a "
                "multilingual and a monolingual one; add to model=, as in model=me5_small,minilm_en."
            )
    return None


def analyse(cells: Sequence[FinishedCell]) -> Conclusion:
    """The verdicts per target and language: zero-shot, trained in the language, and translate-test.

    Args:
        cells: Cells in their folders. An encoder is monolingual if its ``model.languages`` names one language.

    Raises:
        StiltsError: No language has a monolingual encoder that was trained in it, and a multilingual one.
    """
    arms, notes = pool(cells)
    found = pairs(arms, notes)
    if not found:
        lack = "" if any(own.only for own in arms) else " No encoder has one language in model.languages."
        said = (
            "study=multilingual_vs_monolingual: there is no language in which both a monolingual encoder, trained in "
            f"it or reading translations, and a multilingual one were tested.{lack}"
        )
        raise StiltsError(" ".join([said, *notes[:3]]))
    holm = corrected({pair.about: pair.gain for pair in found})
    words = (MULTI, MONO, SAME)
    says = "of the multilingual encoder over the monolingual one"
    try:
        prices: Prices | None = Prices(cells, costs.read(cells))
    except StiltsError as error:  # scores are compared without costs, too
        prices = None
        notes.append(f"Costs are left out. {error}")
    tables = [_scores(found)]
    priced = [pair for pair in found if pair.mono.translations is None]
    if prices is not None:
        tables += [_costs(priced, prices), _even(priced, prices)] if priced else []
        notes.append(f"Measured on: {'; '.join(prices.devices())}.")
    return Conclusion(
        question=QUESTION,
        verdicts=[decided(pair.about, pair.gain, holm.get(pair.about), says, words) for pair in found],
        tables=tables,
        confounds=[*_confounds(found), *dict.fromkeys(notes)],
        rows=[row for pair in found for row in _rows(pair, prices if pair in priced else None)],
        synthetic=any(cell.result["synthetic"] for cell in cells),
    )


def break_even(multi: tuple[float, float], mono: tuple[float, float], items: float, once: bool) -> float | None:
    """The number of languages from which on one multilingual encoder is cheaper than an encoder for each language.

    For n languages with ``items`` items each, encoders of their own take n (T' + items c'), where T' is a training and
    c' an item. The multilingual one takes T + n items c if it is trained once for all languages, so that it is cheaper
    for n > T / (T' + items (c' - c)); and n (T + items c) if it is trained in each of them, where n does not matter.

    Args:
        multi: T and c of the multilingual encoder, in any unit.
        mono: T' and c' of the monolingual one, in the same unit.
        items: Items to answer in each language.
        once: Whether the multilingual encoder is trained once for all of them.

    Returns:
        A number of languages, 0 where it is cheaper for any number; None where it never is.
    """
    saved = mono[0] + items * (mono[1] - multi[1])
    if not once:
        return 0.0 if saved > multi[0] else None
    return multi[0] / saved if saved > 0 else None


def _scores(found: Sequence[Pair]) -> Table:
    lines = []
    for pair in found:
        read = [
            "/".join(one.tokens.get(pair.language, {}).get(name) or "?" for one in (pair.multi, pair.mono))
            for name in TOKENS
        ]
        lines.append(
            [
                pair.target,
                pair.language,
                pair.how,
                pair.multi.arm.encoder,
                pair.mono.arm.encoder,
                shown(pair.gain),
                *read,
            ]
        )
    caption = (
        "The multilingual encoder's score less the monolingual one's, in points with intervals of 95 %. Beside it what "
        "the two tokenizers make of the test rows, the multilingual one first: sub-tokens per word, share of words of "
        "several sub-tokens, and share of unknown sub-tokens (Rust et al. 2021)."
    )
    titles = ("target", "language", "training", "multilingual", "monolingual", "difference", *TOKENS)
    return Table(caption, titles, lines)


def _figures(pair: Pair, prices: Prices, measure: str, about_language: bool) -> tuple[float, float] | None:
    """A measure of both, the multilingual one first; None where one of them is not known."""
    languages = [pair.language] if about_language else []
    found = [prices.of(one.arm, measure, languages) for one in (pair.multi, pair.mono)]
    first, second = found
    return (first.value, second.value) if first is not None and second is not None else None


PER_ITEM = {"latency_p50": 1.0, "items_per_second_best": 1.0, "flops_per_item": 1e-6, "tokens_per_item": 1.0}


def _costs(found: Sequence[Pair], prices: Prices) -> Table:
    lines = []
    for pair in found:
        texts = []
        for measure, factor in PER_ITEM.items():
            both = _figures(pair, prices, measure, True)
            texts.append("" if both is None else "{:,.4g} / {:,.4g}".format(*(value * factor for value in both)))
        sizes = _figures(pair, prices, "parameters", False)
        texts.append("" if sizes is None else " / ".join(short(int(size)) for size in sizes))
        lines.append([pair.target, pair.language, pair.how, *texts])
    caption = (
        "What an item costs that both answer, the multilingual encoder first. A token is not the same text for both."
    )
    titles = ["target", "language", "training", "p50 ms", "items/s, best batch", "MFLOPs per item", "tokens per item"]
    titles += ["parameters"]
    return Table(caption, titles, lines)


def evens(pair: Pair, prices: Prices) -> dict[int, float | None]:
    """Items for each language -> break-even in languages, in seconds; empty where a cost is not known."""
    speed = _figures(pair, prices, "items_per_second_best", True)
    spent = [prices.training(one.arm, "training_seconds") for one in (pair.multi, pair.mono)]
    multi, mono = spent
    if speed is None or multi is None or mono is None:
        return {}
    sides = (multi, 1 / speed[0]), (mono, 1 / speed[1])
    return {items: break_even(*sides, items, pair.how == ZERO_SHOT) for items in ITEMS}


def _even_text(even: Mapping[int, float | None], items: int) -> str:
    if not even:
        return ""
    number = even[items]
    return "never" if number is None else f"{number:,.2f}"


def _even(found: Sequence[Pair], prices: Prices) -> Table:
    lines = []
    for pair in found:
        sizes = _figures(pair, prices, "parameters", False)
        even = evens(pair, prices)
        texts = [_even_text(even, n) for n in ITEMS]
        lines.append(
            [pair.target, pair.language, pair.how, *texts, "" if sizes is None else f"{sizes[0] / sizes[1]:,.2f}"]
        )
    caption = (
        "From how many languages on one multilingual encoder costs fewer seconds than an encoder for each language: "
        "its training, and answering so many items in each language. 0 means for any number. The last column is the "
        "number from which on it has fewer parameters. Every language is taken to cost what this one does."
    )
    titles = ("target", "language", "training", *(f"{items:,} items" for items in ITEMS), "parameters")
    return Table(caption, titles, lines)


def _confounds(found: Sequence[Pair]) -> list[str]:
    said = [
        "The encoders were pretrained on other texts and in other ways; not only the number of languages differs.",
    ]
    names = sorted({pair.mono.translations for pair in found if pair.mono.translations is not None})
    if names:
        said.append(
            f"Translate-test rests on the translations ({', '.join(names)}): their faults are part of its scores. Rows "
            "that were themselves translated from English may be easier to translate back than other text."
        )
        said.append("Costs leave out translate-test: each item costs a translation besides, which is not measured.")
    else:
        said.append(
            "No test rows were read in translation; evaluation.translate_test=FOLDER adds cells of the monolingual "
            "encoder that read them."
        )
    for pair in found:
        bodies = [(one.arm.first.get("scale") or {}).get("body") for one in (pair.multi, pair.mono)]
        if bodies[0] != bodies[1]:
            sizes = " and ".join(short(int(body)) if body else "?" for body in bodies)
            said.append(f"{pair.about}: of other sizes, {sizes} parameters without the embedding.")
        if len(pair.gain.seeds) == 1:
            said.append(f"{pair.about}: one seed alone; its interval leaves out the noise of seeds.")
    return list(dict.fromkeys(said))


def _rows(pair: Pair, prices: Prices | None) -> list[dict[str, Any]]:
    names = {"multilingual": pair.multi.arm.encoder, "monolingual": pair.mono.arm.encoder}
    about = {"target": pair.target, "after": pair.multi.arm.before, "training": pair.how, **names}
    rows = tidy({**about, "measure": "score, difference"}, {pair.language: pair.gain})
    empty = {"low": None, "high": None, "p": None, "seeds": ""}
    for name in TOKENS:
        for side, one in (("multilingual", pair.multi), ("monolingual", pair.mono)):
            text = one.tokens.get(pair.language, {}).get(name)
            if text:
                rows.append(
                    {**about, "measure": f"{name}, {side}", "language": pair.language, "value": float(text), **empty}
                )
    if prices is not None:
        ratios = {measure: _figures(pair, prices, measure, True) for measure in PER_ITEM}
        for measure, both in ratios.items():
            if both is not None:
                line = {"measure": f"{measure}, ratio", "language": pair.language, "value": both[0] / both[1]}
                rows.append({**about, **line, **empty})
        for items, number in evens(pair, prices).items():
            if number is not None:
                line = {"measure": f"break-even, {items} items", "language": pair.language, "value": number}
                rows.append({**about, **line, **empty})
    return rows

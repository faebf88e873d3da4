"""What encoders cost and what a point costs, as tables and tidy rows."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stilts_xtreme.report.evidence import ZERO_SHOT
from stilts_xtreme.report.families import short
from stilts_xtreme.report.statistics.gains import Gain
from stilts_xtreme.report.studies.compared import TargetArms
from stilts_xtreme.report.studies.conclusion import UNDECIDED, Table, known, shown
from stilts_xtreme.report.studies.prices import MORE, Price, Prices, standing

LATENCY, PROCESSOR, FLOPS = "latency_p50", "processor_time", "flops_per_item"
AGAINST = {
    LATENCY: ("latency, ms", 1.0),
    PROCESSOR: ("processor time, ms", 1.0),
    FLOPS: ("MFLOPs per item", 1e-6),
}
"""Costs that scores are held against -> their name, and the factor to its unit."""
ANSWERS = {
    "latency_p50": 1.0,
    "latency_p95": 1.0,
    "latency_p99": 1.0,
    "processor_time": 1.0,
    "items_per_second_equal": 1.0,
    "tokens_per_second_equal": 1.0,
    "items_per_second_best": 1.0,
    "tokens_per_second_best": 1.0,
    "tokens_per_item": 1.0,
    "flops_per_item": 1e-6,
}
"""Costs that are measured in each language -> the factor to what tables show."""
MODEL = ("best_batch", "peak_memory", "energy_per_item", "parameters", "parameters_without_embedding")
TRAINING = ("training_seconds", "training_seconds_shared", "training_steps", "training_steps_shared")


@dataclass(frozen=True)
class Offer:
    """The encoders of one target after the same intermediate tasks.

    Attributes:
        target: Its arms.
        before: The intermediate tasks.
        languages: Those that costs and scores are averaged over.
        prices: Encoder -> measure -> price; the encoders in the order of their latency.
        scores: Encoder -> language or mean -> score.
        differences: (One, another) -> language or mean -> the first's score less the second's.
        better: (One, another) -> how the first's score stands to the second's.
    """

    target: TargetArms
    before: str
    languages: Sequence[str]
    prices: Mapping[str, Mapping[str, Price]]
    scores: Mapping[str, Mapping[str, Gain]]
    differences: Mapping[tuple[str, str], Mapping[str, Gain]]
    better: Mapping[tuple[str, str], str]

    @property
    def name(self) -> str:
        """Target and intermediate tasks."""
        return self.target.name if self.before == "none" else f"{self.target.name} after {self.before}"

    @property
    def measures(self) -> list[str]:
        """Those of :data:`AGAINST` that are known of all encoders; a GPU has no processor time."""
        return [measure for measure in AGAINST if all(measure in own for own in self.prices.values())]

    def costs(self, measure: str) -> dict[tuple[str, str], str]:
        """(One, another) -> how the first's cost stands to the second's."""
        return {
            (one, other): self.prices[one][measure].against(self.prices[other][measure])
            for one, other in itertools.permutations(self.prices, 2)
        }

    def standings(self, measure: str) -> dict[str, str]:
        """Encoder -> whether it is dominated by a cost."""
        cost = self.costs(measure)
        return {name: standing(name, list(self.prices), cost, self.better) for name in self.prices}


def point_cost(cheap: Price, dear: Price, gain: Gain, relation: str) -> tuple[float, float, float] | None:
    """What a point costs that a dearer encoder gives over a cheaper one, with the ends of its interval.

    The interval is that of the score alone: the spread of the cost is much smaller where the costs are shown to differ.

    Args:
        cheap: The cost of the cheaper one.
        dear: The cost of the dearer one.
        gain: The dearer one's score less the cheaper one's.
        relation: How the dearer one's score stands to the cheaper one's.

    Returns:
        None where it is not shown that the dearer one costs more and scores more.
    """
    if relation != MORE or dear.against(cheap) != MORE:
        return None
    more = dear.value - cheap.value
    low, high = gain.interval()
    return more / gain.value, more / high, more / max(low, 1e-9)


def answers(offers: Sequence[Offer]) -> Table:
    """What an answer costs, a line for each encoder."""
    titles = [
        "target",
        "encoder",
        "score",
        "p50 ms",
        "p95 ms",
        "p99 ms",
        "items/s, equal batch",
        "tokens/s, equal batch",
    ]
    titles += ["items/s, best batch", "tokens/s, best batch", "tokens per item", "MFLOPs per item"]
    lines = [
        [offer.name, encoder, shown(offer.scores[encoder][ZERO_SHOT]).lstrip("+"), *_shown(own, ANSWERS)]
        for offer in offers
        for encoder, own in offer.prices.items()
    ]
    caption = (
        "What an answer costs: medians over the rounds, with the quartiles in square brackets, of the mean over the "
        "languages. Latency is that of one item at a time. Scores are zero-shot means with intervals of 95 %."
    )
    return Table(caption, titles, lines)


def _shown(own: Mapping[str, Price], measures: Mapping[str, float]) -> list[str]:
    return [_price(own.get(measure), factor) for measure, factor in measures.items()]


def _price(price: Price | None, factor: float = 1.0) -> str:
    if price is None:
        return ""
    if price.counted:
        return f"{price.value * factor:,.4g}"
    low, high = price.quartiles()
    return f"{price.value * factor:,.4g} [{low * factor:,.4g}, {high * factor:,.4g}]"


def models(offers: Sequence[Offer], prices: Prices) -> Table:
    """What the models and their trainings cost."""
    lines = []
    for offer in offers:
        for encoder, own in offer.prices.items():
            arm = offer.target.arms[encoder, offer.before]
            energy = _price(own.get("energy_per_item")) or "the machine does not tell"
            spent = [prices.training(arm, measure) for measure in TRAINING]
            sizes = [short(int(own[m].value)) for m in ("parameters", "parameters_without_embedding")]
            lines.append(
                [offer.name, encoder, *sizes, _price(own.get("peak_memory")), _price(own.get("best_batch")), energy]
                + [f"{value:,.0f}" if value is not None else "not in the store" for value in spent]
            )
    titles = ["target", "encoder", "parameters", "without embedding", "peak memory, MiB", "best batch", "J per item"]
    titles += ["training, s", "shared", "training, steps", "shared"]
    caption = (
        "What the models and their trainings cost, as means over the seeds. Shared: seconds and steps of a stage are "
        "divided by the number of cells that rest on it."
    )
    return Table(caption, titles, lines)


def points(offers: Sequence[Offer]) -> Table:
    """What a point costs from each encoder to the next dearer one."""
    lines = []
    for offer in offers:
        for cheap, dear in itertools.pairwise(offer.prices):
            texts = []
            for measure, (_, factor) in AGAINST.items():
                if measure not in offer.measures:
                    texts.append("")
                    continue
                found = _point(offer, cheap, dear, measure)
                texts.append(
                    UNDECIDED if found is None else "{:,.3g} [{:,.3g}, {:,.3g}]".format(*(v * factor for v in found))
                )
            lines.append([offer.name, f"{cheap} > {dear}", shown(offer.differences[dear, cheap][ZERO_SHOT]), *texts])
    caption = (
        "What a point costs from each encoder to the next dearer one, with the interval that follows from that of the "
        "difference. Where it is not shown that the dearer one scores more, it is not decidable."
    )
    return Table(
        caption,
        ("target", "encoders", "difference, points", "ms per point", "ms of processors per point", "MFLOPs per point"),
        lines,
    )


def _point(offer: Offer, cheap: str, dear: str, measure: str) -> tuple[float, float, float] | None:
    own = offer.prices
    gain = offer.differences[dear, cheap][ZERO_SHOT]
    return point_cost(own[cheap][measure], own[dear][measure], gain, offer.better[dear, cheap])


def by_language(offers: Sequence[Offer], prices: Prices) -> Table:
    """Scores and costs in each language."""
    lines = []
    for offer in offers:
        for encoder in offer.prices:
            arm = offer.target.arms[encoder, offer.before]
            for language in prices.languages(arm):
                if language in offer.scores[encoder]:
                    found = [prices.of(arm, measure, [language]) for measure in (LATENCY, FLOPS, "tokens_per_item")]
                    texts = [_price(p, f) for p, f in zip(found, (1.0, 1e-6, 1.0), strict=True)]
                    lines.append(
                        [offer.name, encoder, language, shown(offer.scores[encoder][language]).lstrip("+"), *texts]
                    )
    titles = ("target", "encoder", "language", "score", "p50 ms", "MFLOPs per item", "tokens per item")
    return Table("The same in each language. More tokens for the same text cost more.", titles, lines)


def rows(offer: Offer, prices: Prices) -> list[dict[str, Any]]:
    """All figures of an offer as tidy rows."""
    about = {"target": offer.target.name, "after": offer.before}
    found: list[dict[str, Any]] = []

    def add(
        encoder: str, measure: str, language: str, value: float, ends: Sequence[float | None], word: str = ""
    ) -> None:
        low, high = ends
        line = {"encoder": encoder, "measure": measure, "language": language, "value": value}
        found.append({**about, **line, "low": low, "high": high, "standing": word})

    standings = {measure: offer.standings(measure) for measure in offer.measures}
    for encoder, own in offer.prices.items():
        arm = offer.target.arms[encoder, offer.before]
        for language, gain in offer.scores[encoder].items():
            add(encoder, "score", language, gain.value, gain.interval() if known(gain) else (None, None))
        for measure, price in own.items():
            word = standings[measure][encoder] if measure in standings else ""
            add(encoder, measure, ZERO_SHOT if measure in ANSWERS else "", price.value, price.quartiles(), word)
        for language in prices.languages(arm):
            for measure in ANSWERS:
                own_price = prices.of(arm, measure, [language])
                if own_price is not None:
                    add(encoder, measure, language, own_price.value, own_price.quartiles())
        for measure in TRAINING:
            spent = prices.training(arm, measure)
            if spent is not None:
                add(encoder, measure, "", spent, (None, None))
    for cheap, dear in itertools.pairwise(offer.prices):
        name = f"{dear} less {cheap}"
        for language, gain in offer.differences[dear, cheap].items():
            add(name, "score", language, gain.value, gain.interval() if known(gain) else (None, None))
        for measure in offer.measures:
            point = _point(offer, cheap, dear, measure)
            if point is not None:
                add(name, f"{measure} per point", ZERO_SHOT, point[0], point[1:])
    return found

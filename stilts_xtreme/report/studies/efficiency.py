"""What does the size of an encoder cost for what it gains?

Scores are those of finished cells, costs those that ``python -m stilts_xtreme.cost`` measured of them. An encoder is
dominated if another one costs less and is not worse. Both sides are noisy: scores are compared as all studies compare
them, and costs round by round.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.report import costs
from stilts_xtreme.report.evidence import REGION, ZERO_SHOT
from stilts_xtreme.report.results import FinishedCell
from stilts_xtreme.report.statistics.gains import Gain
from stilts_xtreme.report.statistics.power import ALPHA
from stilts_xtreme.report.studies.compared import TargetArms, gather, size_confounds
from stilts_xtreme.report.studies.conclusion import UNDECIDED, Conclusion, Planned, Verdict, corrected
from stilts_xtreme.report.studies.efficiency_tables import (
    AGAINST,
    ANSWERS,
    LATENCY,
    MODEL,
    Offer,
    answers,
    by_language,
    models,
    points,
    rows,
)
from stilts_xtreme.report.studies.prices import DOMINATED, FRONT, LESS, MORE, ROUNDS, SAME, UNKNOWN, Price, Prices

if TYPE_CHECKING:
    from matplotlib.figure import Figure

QUESTION = "What does encoder size cost for what it gains?"
SOME, NO = "some encoders are dominated", "no encoder is dominated"


def lacking(planned: Sequence[Planned]) -> str | None:
    """Why planned cells cannot say what an encoder costs beside another; None where they can."""
    for target in dict.fromkeys(cell.target for cell in planned):
        encoders = list(dict.fromkeys(cell.encoder for cell in planned if cell.target == target))
        if len(encoders) < 2:
            return _few(target, encoders)
    return None


def _few(target: str, encoders: Sequence[str]) -> str:
    return (
        f"study=efficiency: {target} has {len(encoders)} encoders ({', '.join(encoders) or 'none'}) and needs two at "
        "the least; add to model=, as in model=mini_xs,mini_s,mini."
    )


def analyse(cells: Sequence[FinishedCell]) -> Conclusion:
    """Which encoders are dominated, per target and intermediate task, by latency and by operations.

    Args:
        cells: Cells of at least two encoders, in output folders with ``costs.csv``.

    Raises:
        StiltsError: Too few encoders, or costs are not measured.
    """
    prices = Prices(cells, costs.read(cells))
    targets, notes = gather(cells)
    offers, said = [], dict.fromkeys(notes)
    for target in targets.values():
        for before in dict.fromkeys(before for _, before in target.arms):
            offer = _offer(target, before, prices, said)
            if offer is not None:
                offers.append(offer)
    if not offers:
        raise StiltsError(" ".join([_few("no target", []), *list(said)[:3]]))
    synthetic = any(cell.result["synthetic"] for cell in cells)
    return Conclusion(
        question=QUESTION,
        verdicts=[_verdict(offer, measure) for offer in offers for measure in offer.measures],
        tables=[answers(offers), models(offers, prices), points(offers), by_language(offers, prices)],
        confounds=[*_confounds(offers, prices), *said],
        rows=[row for offer in offers for row in rows(offer, prices)],
        synthetic=synthetic,
        draw=lambda: _draw(offers, synthetic),
    )


def _offer(target: TargetArms, before: str, prices: Prices, said: dict[str, None]) -> Offer | None:
    arms = {encoder: arm for (encoder, own), arm in target.arms.items() if own == before}
    by_language = [prices.languages(arm) for arm in arms.values()]
    priced = {encoder: arm for encoder, arm in arms.items() if prices.languages(arm)}
    for encoder in arms.keys() - priced.keys():
        said[f"{encoder} > {target.name} is left out: its costs are not measured."] = None
    if len(priced) < 2:
        return None
    measured = [
        code for code in next(own for own in by_language if own) if all(code in own for own in by_language if own)
    ]
    languages = [code for code in target.means[ZERO_SHOT] if code in measured] or measured
    if set(languages) != set(target.means[ZERO_SHOT]):
        said[f"{target.name}: costs are means over {', '.join(languages)} alone."] = None
    own: dict[str, dict[str, Price]] = {}
    for encoder, arm in priced.items():
        found = {measure: prices.of(arm, measure, languages) for measure in ANSWERS}
        found |= {measure: prices.of(arm, measure, ()) for measure in MODEL}
        if found[LATENCY] is None:
            said[f"{encoder} > {target.name} is left out: no run measured it in all of {', '.join(languages)}."] = None
            continue
        own[encoder] = {measure: price for measure, price in found.items() if price is not None}
    if len(own) < 2:
        return None
    own = dict(sorted(own.items(), key=lambda item: item[1][LATENCY].value))
    pairs = list(itertools.permutations(own, 2))
    wanted = {f"{one} less {other}": {(one, before): 1.0, (other, before): -1.0} for one, other in pairs}
    wanted |= {encoder: {(encoder, before): 1.0} for encoder in own}
    gains = target.contrasts(wanted)
    differences = {(one, other): gains[f"{one} less {other}"] for one, other in pairs}
    holm = corrected({pair: differences[pair][ZERO_SHOT] for pair in itertools.combinations(own, 2)})
    better = {pair: _relation(by[ZERO_SHOT], holm.get(pair, holm.get(pair[::-1]))) for pair, by in differences.items()}
    return Offer(target, before, languages, own, {encoder: gains[encoder] for encoder in own}, differences, better)


def _relation(difference: Gain, holm: float | None) -> str:
    """How one score stands to another; one seed decides nothing."""
    if holm is None or len(difference.seeds) < 2:
        return UNKNOWN
    if holm <= ALPHA:
        return MORE if difference.value > 0 else LESS
    return SAME if difference.p_beyond(REGION) <= ALPHA else UNKNOWN


def _verdict(offer: Offer, measure: str) -> Verdict:
    found = offer.standings(measure)
    parts = []
    for word in (DOMINATED, FRONT, UNKNOWN):
        names = [name for name, own in found.items() if own == word]
        if names:
            parts.append(f"{word}: {', '.join(names)}")
    words = set(found.values())
    verdict = SOME if DOMINATED in words else NO if words == {FRONT} else UNDECIDED
    return Verdict(f"{offer.name}, by {AGAINST[measure][0].partition(',')[0]}", verdict, "; ".join(parts))


def _confounds(offers: Sequence[Offer], prices: Prices) -> list[str]:
    found = [f"Measured on: {'; '.join(prices.devices())}. On another device the order may be another one."]
    if prices.runs() > 1:
        found.append("Costs were measured in several runs; encoders of different runs did not take turns.")
    for offer in offers:
        rounds = min(len(own[LATENCY].rounds) for own in offer.prices.values())
        if rounds < ROUNDS:
            found.append(
                f"{offer.name}: {rounds} rounds; no difference of latency is decided with fewer than {ROUNDS}."
            )
        found += size_confounds(offer.name, list(offer.target.arms.values()))
        if len({len(arm.seeds) for arm in offer.target.arms.values()} | {1}) == 1:
            found.append(f"{offer.name}: one seed alone; no difference of scores is decided.")
    return list(dict.fromkeys(found))


def _draw(offers: Sequence[Offer], synthetic: bool) -> Figure:
    from stilts_xtreme.report.studies.efficiency_picture import Panel, draw  # matplotlib takes half a second

    panels = []
    for offer in offers:
        for measure in offer.measures:
            title, factor = AGAINST[measure]
            places = {
                encoder: (
                    own[measure].value * factor,
                    offer.scores[encoder][ZERO_SHOT].value,
                    [end * factor for end in own[measure].quartiles()],
                    offer.scores[encoder][ZERO_SHOT].interval(),
                )
                for encoder, own in offer.prices.items()
            }
            panels.append(Panel(offer.name, title, places, offer.standings(measure)))
    return draw(panels, synthetic)

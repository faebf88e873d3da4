"""Meanings of sentence pairs: paraphrase, of statements and of questions."""

from __future__ import annotations

from stilts_xtreme.data.synthetic import vocabulary as v
from stilts_xtreme.data.synthetic import world as w
from stilts_xtreme.data.synthetic.knowledge import Teller
from stilts_xtreme.data.synthetic.pairs import Pair, fronted, replace_synonyms, synonym_sites, varied, with_patient
from stilts_xtreme.data.synthetic.world import Clause

_REWORDED: dict[str, tuple[str, ...]] = {
    site: tuple(word for first in words if first in v.SYNONYMS for word in (first, v.SYNONYMS[first]))
    for site, words in (("pred", v.GENERAL_VERBS), ("head", v.THINGS), ("adj", v.QUALITIES))
}
"""Part of a clause -> the words with a synonym that it may be, both of a pair."""


def paraphrase(draw: Teller, question: bool) -> Pair:
    """Draws two sentences that mean the same (label 1) or nearly (label 0).

    In nine of ten pairs of statements, and eight of questions, no word differs, but two persons change places, or time
    and place do; few such questions find a partner of the other label (:class:`.Matched`). In the rest one or two words
    differ at places drawn before the label: all by a synonym, or one of them by a word of another meaning. So neither
    sentence alone, nor the number and place of the differences, tells the label.

    Args:
        draw: Source of choices.
        question: Whether both are questions, for a detail that they share or why.

    Returns:
        The two sentences and the label.
    """
    if draw.chance(0.8 if question else 0.9):
        return _swapped(draw, question)
    changed = draw.pick((1, 1, 2))
    label = draw.below(2)
    while True:
        first = _uncommon(draw)
        sites = synonym_sites(first)
        if len(sites) >= changed:
            break
    sites = draw.sample(sites, changed)
    second = replace_synonyms(first, sites)
    if not label:
        second = _differ(draw, second, sites[0])
    if question:
        asked = draw.pick([name for name in ("time", "place", "agent") if getattr(first, name)])
        return (first._replace(ask=asked),), (second._replace(ask=asked),), label
    return (fronted(draw, first, 0.4),), (fronted(draw, second, 0.6),), label


def _uncommon(draw: Teller) -> Clause:
    """An event whose words go with each other by chance, so that an odd one does not give a replacement away."""
    clause = w.event(draw, 0.7)
    clause = clause._replace(pred=draw.pick(_REWORDED["pred"]))
    adj = draw.pick(_REWORDED["adj"]) if draw.chance(0.5) else ""
    return with_patient(clause, head=draw.pick(_REWORDED["head"]), adj=adj)


def _differ(draw: Teller, clause: Clause, site: str) -> Clause:
    """Puts a word of another meaning at a site; it has synonyms too, so that the word itself tells nothing."""
    before = clause.pred if site == "pred" else getattr(clause.patient, site)
    word = draw.other(_REWORDED[site], before, v.SAME[before])
    return clause._replace(pred=word) if site == "pred" else with_patient(clause, **{site: word})


def _swapped(draw: Teller, question: bool) -> Pair:
    """Two persons change places, which matters or not; or only time and place move.

    Deeds that are mutual are few among these, or the verb alone would tell; none are asked about.
    """
    same = draw.chance(0.5)
    mutual = same and not question and draw.chance(0.2)
    plain = [verb for verb in v.PERSON_VERBS if verb not in v.MUTUAL_VERBS]
    first = varied(draw, w.social(draw, extras=1.0, verbs=v.MUTUAL_VERBS if mutual else plain))
    if question:
        first = first._replace(ask="why")
    turned = first._replace(agent=first.patient, patient=first.agent)
    second = first if same and not mutual else turned
    moved = draw.sample(("", "time", "place"), 2)
    if not same and draw.chance(0.5):  # else what moves tells more than who does what
        moved[1] = moved[0]
    return (first._replace(front=moved[0]),), (second._replace(front=moved[1]),), int(same)

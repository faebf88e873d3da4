"""How evenly an encoder serves languages: numbers of a single run, compared between arms by their seeds.

A mean hides who pays for it. So beside it stand the worst language, the gap to the language that is trained on, the
spread between languages, and what ten times as much pretraining text comes to. The last is the slope of the scores over
the logarithm of the text, as languages have more or less of it, and not one of three classes. None of them is a mean
over items, so their intervals hold the noise of seeds alone.

Languages are a sample too: :func:`sampled` says what a contrast is on average over languages like those that were
tried.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from statistics import fmean, stdev

import numpy as np

from stilts_xtreme.data.language_table import languages as languages_table
from stilts_xtreme.data.synthetic import SHARES
from stilts_xtreme.report.evidence import ZERO_SHOT
from stilts_xtreme.report.statistics.gains import Gain
from stilts_xtreme.report.statistics.two_way import Line, line
from stilts_xtreme.report.studies.compared import Arm, TargetArms, reads_some
from stilts_xtreme.tasks.metrics.items import Items

WORST, GAP, SPREAD, TEXT = "worst language", "gap to the source", "spread of languages", "tenfold text"
FEWEST = 3
"""A slope, and a spread, need so many languages, and a mixed model as many seeds."""


def measures(scores: Mapping[str, float], source: str | None) -> dict[str, float]:
    """What the scores of a run say of how evenly it serves languages.

    Args:
        scores: Language -> score.
        source: The language that is trained on; it counts for the gap alone.

    Returns:
        Measure -> points. ``gap to the source`` is the zero-shot mean less the score of the source language, so it is
        below zero where that is better; ``spread of languages`` is a standard deviation; ``tenfold text`` has languages
        of which pretraining saw some text. What the languages do not allow is left out.
    """
    others = {language: score for language, score in scores.items() if language != source}
    if not others:
        return {}
    found = {WORST: min(others.values())}
    if source in scores:
        found[GAP] = fmean(others.values()) - scores[str(source)]
    if len(others) >= FEWEST:
        found[SPREAD] = stdev(others.values())
    texts = {language: text for language in others if (text := pretraining_text(language))}
    if len(texts) >= FEWEST and len(set(texts.values())) > 1:
        logs = np.log10(list(texts.values()))
        found[TEXT] = float(np.polyfit(logs, [others[language] for language in texts], 1)[0])
    return found


def pretraining_text(language: str) -> float:
    """GiB of text in CC-100, or of a synthetic language the share of the most text; 0 for none, or if unknown."""
    if language in SHARES:
        return float(SHARES[language])
    known = languages_table().get(language)
    return float(known.cc100_gib or 0) if known is not None else 0.0


def contrasts(target: TargetArms, wanted: Mapping[str, Mapping[tuple[str, str], float]]) -> dict[str, dict[str, Gain]]:
    """Weighted sums of the measures of arms.

    Args:
        target: The arms.
        wanted: As for :meth:`TargetArms.contrasts`.

    Returns:
        Contrast -> measure -> value; empty where no measure is known in all arms.
    """
    found = {key: {seed: _of_run(arm, seed) for seed in arm.seeds} for key, arm in target.arms.items()}
    common = set.intersection(*(set(own) for by_seed in found.values() for own in by_seed.values()))
    common -= {TEXT} if any(reads_some(arm) for arm in target.arms.values()) else set()
    if not common:
        return {}
    arms = {
        key: replace(
            arm,
            seeds={
                seed: {name: _number(value) for name, value in found[key][seed].items() if name in common}
                for seed in arm.seeds
            },
        )
        for key, arm in target.arms.items()
    }
    return TargetArms(target.name, arms, parallel=False, by_items=False, means={}).contrasts(wanted)


def sampled(target: TargetArms, wanted: Mapping[str, Mapping[tuple[str, str], float]]) -> dict[str, Line]:
    """Contrasts on average over languages like those that were tried, by a mixed model over languages and seeds.

    Args:
        target: The arms.
        wanted: As for :meth:`TargetArms.contrasts`.

    Returns:
        Contrast -> a line over the logarithm, to the base ten, of the text that pretraining saw of a language. Its
        height has the noise of the items besides. Empty with fewer than three seeds, with which intervals are too
        narrow; without three languages that have text, not all as much; and where an encoder read some of them alone.
    """
    read = {language: text for language in target.means[ZERO_SHOT] if (text := pretraining_text(language))}
    seeds = set.intersection(*(set(arm.seeds) for arm in target.arms.values()))
    if len(read) < FEWEST or len(set(read.values())) == 1 or len(seeds) < FEWEST:
        return {}
    if any(reads_some(arm) for arm in target.arms.values()):
        return {}
    found = {}
    for name, values in replace(target, means={ZERO_SHOT: list(read)}).contrasts(wanted).items():
        fitted = line([values[language] for language in read], np.log10(list(read.values())).tolist())
        mean, spread = values[ZERO_SHOT].spread, fitted.height.spread
        # few items make equal scores of unlike models: what rounding to them adds is in the error over seeds
        spread = replace(spread, items=mean.items) if spread.seeds >= mean.seeds else mean
        found[name] = replace(fitted, height=replace(fitted.height, spread=spread))
    return found


def _of_run(arm: Arm, seed: int) -> dict[str, float]:
    scores = {language: items.score for language, items in arm.seeds[seed].items()}
    return measures(scores, arm.first.get("source_language"))


def _number(value: float) -> Items:
    """A number as the score of one item, which adds no noise of items."""
    return Items(["score"], np.array([value / 100]), np.ones(1))

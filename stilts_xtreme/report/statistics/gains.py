"""The gain of one cell over its baseline, with the noise of items and of seeds: a paired bootstrap.

Both arms answered the same items with the same seeds. Items are resampled in clusters: an item that stands in several
languages, as in XNLI, is drawn in all of them at once. A bootstrap that takes languages as independent draws would be
too narrow. A seed is drawn with all its languages and items. Few seeds are not resampled, because a bootstrap over
three values is too narrow by the factor sqrt(2/3) and knows nothing of how uncertain their variance is; Student's t
takes their place (:mod:`.spread`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.report.statistics.spread import Spread
from stilts_xtreme.tasks.metrics.items import Items

DRAWS = 1000
"""Resamples of the items; they fix a standard error to 2 %."""

Arm = Mapping[int, Mapping[str, Items]]
"""Seed -> language -> scores item by item."""


@dataclass(frozen=True)
class Gain:
    """A gain and how well it is known.

    Attributes:
        value: The gain in points, the mean over the seeds.
        spread: The distribution of its error.
        seeds: Seeds that both arms have.
        by_seed: The gain of each of them.
    """

    value: float
    spread: Spread
    seeds: tuple[int, ...]
    by_seed: tuple[float, ...]

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """The ends of an interval that covers the true gain with a probability."""
        half = self.spread.quantile(0.5 + level / 2)
        return self.value - half, self.value + half

    @property
    def p(self) -> float:
        """The two-sided p of no gain and no loss."""
        return self.spread.p_value(self.value)

    @property
    def p_helps(self) -> float:
        """The one-sided p of no gain."""
        return self.spread.below(-self.value)

    def p_beyond(self, region: float) -> float:
        """The p of a true effect of at least ``region`` points, by two one-sided tests (TOST, Schuirmann 1987).

        Below 0.05 the effect is shown to be smaller than the region in both directions.
        """
        return max(self.spread.below(self.value - region), self.spread.below(-region - self.value))


def paired_gains(
    candidate: Arm,
    baseline: Arm,
    parallel: bool,
    means: Mapping[str, Iterable[str]] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> dict[str, Gain]:
    """The gain in each language, and in means over languages.

    Args:
        candidate: The arm whose gain is asked for.
        baseline: The arm that it is compared with.
        parallel: Whether an id names the same item in all languages, so that it is one cluster.
        means: Name of a mean -> its languages.
        draws: Resamples of the items.
        seed: Of the resampling.

    Returns:
        Language or name of a mean -> gain, the languages in the candidate's order.

    Raises:
        StiltsError: No common seed, other languages, or other items in the two arms.
    """
    both = {"cell": candidate, "baseline": baseline}
    return contrasts(both, {"gain": {"cell": 1, "baseline": -1}}, parallel, means, draws, seed)["gain"]


def contrasts(
    arms: Mapping[str, Arm],
    wanted: Mapping[str, Mapping[str, float]],
    parallel: bool,
    means: Mapping[str, Iterable[str]] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> dict[str, dict[str, Gain]]:
    """Sums of weighted scores of several arms that answered the same items, such as the difference of two gains.

    Args:
        arms: Name -> answers.
        wanted: Name of a contrast -> arm -> weight. An arm that is not named has no weight.
        parallel: Whether an id names the same item in all languages, so that it is one cluster.
        means: Name of a mean -> its languages.
        draws: Resamples of the items. All contrasts come from the same ones.
        seed: Of the resampling.

    Returns:
        Contrast -> language or name of a mean -> value, over the seeds that all arms have.

    Raises:
        StiltsError: No common seed, other languages, or other items in two arms.
    """
    seeds = tuple(sorted(set.intersection(*(set(arm) for arm in arms.values()))))
    if not seeds:
        has = ", ".join(f"the {name} has {_listed(arm)}" for name, arm in arms.items())
        raise StiltsError(f"No seed stands in {'both' if len(arms) == 2 else 'all'} arms: {has}.")
    languages = list(next(iter(arms.values()))[seeds[0]])
    every = [(name, arm, s) for name, arm in arms.items() for s in seeds]
    for name, arm, s in every:
        if set(arm[s]) != set(languages):
            raise StiltsError(
                f"The {name} with seed {s} has the languages {', '.join(sorted(arm[s]))}, not {', '.join(languages)}."
            )
    tables = _tables(every, languages)
    sums = _resampled(tables, parallel, draws, np.random.default_rng(seed))
    # [draws + 1, languages, arms, seeds]; the first line is the data themselves
    scores = 100 * np.divide(sums[..., 0], sums[..., 1], out=np.zeros(sums.shape[:-1]), where=sums[..., 1] > 0)
    scores = scores.reshape(*scores.shape[:2], len(arms), len(seeds))
    # a score moves by whole items; of a single one it is any number [languages]
    counted = np.array([len(names) > 1 for names, _ in tables])
    steps = np.where(counted, 100 / np.maximum(sums[0, ..., 1].mean(1), 1), 0.0)
    places = {name: n for n, name in enumerate(arms)}
    found: dict[str, dict[str, Gain]] = {}
    for contrast, weights in wanted.items():
        values = sum(weight * scores[:, :, places[arm]] for arm, weight in weights.items())
        rounding = steps**2 / 12 * sum(weight**2 for weight in weights.values())
        found[contrast] = {key: _gain(values[:, n], seeds, rounding[n]) for n, key in enumerate(languages)}
        for name, members in (means or {}).items():
            at = [languages.index(language) for language in members]
            if at:
                found[contrast][name] = _gain(values[:, at].mean(1), seeds, rounding[at].sum() / len(at) ** 2)
    return found


def _listed(arm: Arm) -> str:
    return "seed " + ", ".join(map(str, sorted(arm))) if arm else "none"


def _tables(arms: Sequence[tuple[str, Arm, int]], languages: Sequence[str]) -> list[tuple[Sequence[str], np.ndarray]]:
    """For each language the ids, and what each item adds in each arm [I, arms, 2]."""
    tables: list[tuple[Sequence[str], np.ndarray]] = []
    for language in languages:
        parts = [arm[s][language] for _, arm, s in arms]
        names: dict[str, int] = {}
        for part in parts:
            for key in part.ids:
                names.setdefault(key, len(names))
        # pairs of sentences are there only where an arm or the gold pairs them; rows of a test set are always there
        if any(len(part.ids) != len(names) for part in parts) and _fixed(parts):
            name, _, s = next(a for a, part in zip(arms, parts, strict=True) if len(part.ids) != len(names))
            raise StiltsError(
                f"The arms answered other items in {language}: the {name} with seed {s} lacks some of the "
                f"{len(names):,} items; score both on the same test rows."
            )
        table = np.zeros((len(names), len(parts), 2))
        for n, part in enumerate(parts):
            where = [names[key] for key in part.ids]
            table[where, n, 0], table[where, n, 1] = part.above, part.below
        tables.append((list(names), table))
    return tables


def _fixed(parts: Sequence[Items]) -> bool:
    """Whether every item weighs the same, as rows of a test set do."""
    return all(bool(np.all(part.below == 1)) for part in parts)


def _resampled(
    tables: Sequence[tuple[Sequence[str], np.ndarray]], parallel: bool, draws: int, rng: np.random.Generator
) -> np.ndarray:
    """Sums over the items and over resamples of them [draws + 1, languages, arms, 2].

    Clusters that stand in the same languages are one stratum: each resample has as many of them as there are.
    """
    arms = tables[0][1].shape[1]
    sums = np.zeros((draws + 1, len(tables), arms, 2))
    for members in _strata([ids for ids, _ in tables], parallel):
        n = len(next(iter(members.values())))
        stacked = np.concatenate([tables[at][1][rows].reshape(n, -1) for at, rows in members.items()], axis=1)
        sums[0, list(members)] += stacked.sum(0).reshape(len(members), arms, 2)
        for start in range(1, draws + 1, 100):  # weights of all resamples at once would be many
            size = min(100, draws + 1 - start)
            drawn = rng.integers(0, n, (size, n)) + n * np.arange(size)[:, None]
            weights = np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n)
            sums[start : start + size, list(members)] += (weights @ stacked).reshape(size, len(members), arms, 2)
    return sums


def _strata(ids: Sequence[Sequence[str]], parallel: bool) -> list[dict[int, np.ndarray]]:
    """Groups of clusters that are drawn together: position of a language -> its rows, in one order for all of them."""
    if not parallel:
        return [{at: np.arange(len(names))} for at, names in enumerate(ids) if len(names)]
    places: dict[str, list[tuple[int, int]]] = {}
    for at, names in enumerate(ids):
        for row, key in enumerate(names):
            places.setdefault(key, []).append((at, row))
    groups: dict[tuple[int, ...], list[list[int]]] = {}
    for found in places.values():
        groups.setdefault(tuple(at for at, _ in found), []).append([row for _, row in found])
    return [
        {at: np.array([rows[n] for rows in group]) for n, at in enumerate(where)} for where, group in groups.items()
    ]


def _gain(gains: np.ndarray, seeds: tuple[int, ...], rounding: float) -> Gain:
    """From the gains of the data and of the resamples by seed [draws + 1, seeds].

    Two seeds may agree to the last item, and would then seem to have no noise at all. So the variance of rounding to
    whole items is added to that between seeds (Sheppard's correction). With hundreds of items it is next to nothing.
    """
    data, drawn = gains[0], gains[1:]
    count = len(seeds)
    whole = float(drawn.mean(1).var(ddof=1))
    if count == 1:
        return Gain(float(data[0]), Spread(whole**0.5, 0.0, 0), seeds, (float(data[0]),))
    # the variance of one seed's gain is items + interaction; that of the mean over seeds items + interaction / seeds.
    # The interaction of items and seeds is in the variance between seeds too, so it is taken out of the items here.
    single = float(drawn.var(0, ddof=1).mean())
    interaction = max(0.0, (single - whole) * count / (count - 1))
    items = max(0.0, whole - interaction / count)
    between = (float(data.var(ddof=1)) + rounding) / count
    return Gain(float(data.mean()), Spread(items**0.5, between**0.5, count - 1), seeds, tuple(map(float, data)))


def gain_of_scores(
    scores: Mapping[int, tuple[Mapping[str, float], Mapping[str, float]]],
    languages: Sequence[str],
    means: Mapping[str, Iterable[str]],
) -> dict[str, Gain]:
    """Gains of which only the scores are known: their error is that of the seeds alone.

    Args:
        scores: Seed -> language -> score, of the cell and of its baseline.
        languages: The languages.
        means: Name of a mean -> its languages.

    Returns:
        As :func:`paired_gains`.
    """
    seeds = tuple(sorted(scores))
    groups = {**{language: [language] for language in languages}, **{name: list(ls) for name, ls in means.items()}}
    found = {}
    for name, members in groups.items():
        gains = np.array([np.mean([scores[s][0][key] - scores[s][1][key] for key in members]) for s in seeds])
        error = float(gains.std(ddof=1)) / len(seeds) ** 0.5 if len(seeds) > 1 else 0.0
        found[name] = Gain(float(gains.mean()), Spread(0.0, error, len(seeds) - 1), seeds, tuple(map(float, gains)))
    return found

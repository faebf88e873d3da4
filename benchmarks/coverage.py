"""How often the statistics of gains are right: simulated answers whose true gains are known.

    python -m benchmarks.coverage --experiments 1000

Each experiment has two arms, four languages and 150 items. An item is as hard in all languages of a parallel set, and
the arms find different items hard. The columns of the table:

- covered: intervals of 95 % that have the true gain in them;
- false: experiments without a gain in which one is found;
- family: matrices of ten entries without a gain that have a finding after Holm's correction;
- seen: gains of the smallest visible size that are found (80 % are promised);
- nothing: experiments without a gain in which one of ten points is refuted;
- below: true gains that are called smaller than they are.

A second table has contrasts that are random over seeds and over draws of rows, or over seeds and languages: how many
intervals of 95 % have the true value in them.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from stilts_xtreme.report.statistics.gains import Gain, paired_gains
from stilts_xtreme.report.statistics.languages import adjusted
from stilts_xtreme.report.statistics.power import smallest_visible
from stilts_xtreme.report.statistics.spread import Spread
from stilts_xtreme.report.statistics.two_way import line, two_way
from stilts_xtreme.tasks.metrics.items import Items

Arm = dict[int, dict[str, Items]]

LANGUAGES = ("l0", "l1", "l2", "l3")
NOISES = ("items", "seeds")
ENTRIES = 10
"""Entries of a simulated matrix."""


def items_of(right: Sequence[bool] | np.ndarray) -> Items:
    """Items of rows that are right or wrong."""
    values = np.asarray(right, float)
    return Items([str(n) for n in range(len(values))], values, np.ones(len(values)))


def arms(
    rng: np.random.Generator,
    seeds: int = 3,
    languages: int = 4,
    rows: int = 200,
    gain: float = 0.0,
    seed_noise: float = 0.0,
    parallel: bool = True,
    taste: float = 0.6,
) -> tuple[Arm, Arm, float]:
    """Candidate and baseline, and the true gain in points.

    An item is right where the sum of its difficulty (shared by the languages of a parallel set), that in its language,
    what the seed adds and noise of its own is above a threshold. The candidate finds other items hard than the
    baseline does, in all languages alike.

    Args:
        rng: Draws.
        seeds: Of each arm.
        languages: How many.
        rows: Items of a language.
        gain: How much easier the candidate finds all items; see :func:`no_gain`.
        seed_noise: Standard deviation of what a seed adds.
        parallel: Whether the items are the same in all languages.
        taste: Standard deviation of what the candidate finds harder than the baseline.
    """
    shape = (rows,) if parallel else (languages, rows)
    hard, other = rng.normal(0, 1, shape), rng.normal(0, taste, shape)
    local = rng.normal(0, 0.5, (languages, rows))
    made: list[Arm] = []
    for shift, own in ((0.0, 0.0), (gain, other)):
        arm: Arm = {}
        for seed in range(seeds):
            latent = 0.3 + shift + hard + own + local + rng.normal(0, seed_noise)
            right = latent + rng.normal(0, 0.5, (languages, rows)) > 0
            arm[seed] = {f"l{n}": items_of(right[n]) for n in range(languages)}
        made.append(arm)
    base = 1.5 + seed_noise**2
    truth = 100 * (norm.cdf((0.3 + gain) / (base + taste**2) ** 0.5) - norm.cdf(0.3 / base**0.5))
    return made[1], made[0], float(truth)


def no_gain(seed_noise: float = 0.0, taste: float = 0.6) -> float:
    """The ``gain`` of :func:`arms` with which the arms are equally good."""
    base = 1.5 + seed_noise**2
    return float(0.3 * ((base + taste**2) / base) ** 0.5 - 0.3)


@dataclass(frozen=True)
class Setting:
    """One kind of experiment."""

    seeds: int
    seed_noise: float
    parallel: bool

    @property
    def words(self) -> str:
        """What it is."""
        noise = f"noise between seeds {self.seed_noise:g}"
        return f"{self.seeds} seed{'s' * (self.seeds > 1)}, {noise}, {'same' if self.parallel else 'other'} items"


SETTINGS = (Setting(1, 0.0, True), Setting(3, 0.0, True), Setting(3, 0.06, True), Setting(5, 0.06, False))


def simulated(setting: Setting, count: int, gain: float, seed: int, rows: int = 150, **more: float) -> list[Gain]:
    """The gains of the mean over languages that experiments find; more goes to :func:`arms`."""
    rng = np.random.default_rng(seed)
    found = []
    for draw in range(count):
        after, before, _ = arms(rng, setting.seeds, 4, rows, gain, setting.seed_noise, setting.parallel, **more)
        found.append(paired_gains(after, before, setting.parallel, {"mean": LANGUAGES}, draws=200, seed=draw)["mean"])
    return found


def rates(setting: Setting, count: int, seed: int = 0) -> dict[str, float]:
    """How often the statistics are right in a setting.

    Args:
        setting: The setting.
        count: Experiments of each kind.
        seed: Of the simulation.

    Returns:
        Shares: ``covered``, ``false`` (no gain that is called one), ``family`` (matrices of ten entries without a gain
        that have a finding), ``seen`` (gains of the smallest visible size), ``nothing`` (no effect shown to be one of
        less than ten points), ``below`` (effects that are called less than they are).
    """
    noise = setting.seed_noise
    _, _, truth = arms(np.random.default_rng(0), 1, 1, 1, 0.1, noise)
    with_gain = simulated(setting, count, 0.1, seed)
    without = simulated(setting, count, no_gain(noise), seed + 1)
    families = [without[at : at + ENTRIES] for at in range(0, len(without) - ENTRIES + 1, ENTRIES)]
    found = [min(adjusted({str(n): gain.p for n, gain in enumerate(one)}, "holm").values()) for one in families]
    errors = np.array([gain.value for gain in without])
    items, between = (np.mean([getattr(gain.spread, name) ** 2 for gain in without]) ** 0.5 for name in NOISES)
    smallest = smallest_visible(Spread(float(items), float(between), without[0].spread.df))
    critical = np.array([gain.spread.quantile(0.975) for gain in without])
    return {
        "covered": float(np.mean([low <= truth <= high for low, high in (gain.interval() for gain in with_gain)])),
        "false": float(np.mean([gain.p <= 0.05 for gain in without])),
        "family": float(np.mean([p <= 0.05 for p in found])),
        "seen": float(np.mean(np.abs(smallest + errors) > critical)),
        "nothing": float(np.mean([gain.p_beyond(10.0) <= 0.05 for gain in without])),
        "below": float(np.mean([gain.p_beyond(truth) <= 0.05 for gain in with_gain])),
    }


SPREADS = ((1.0, 1.0, 1.0), (2.0, 0.0, 1.0), (0.0, 2.0, 1.0), (0.0, 0.0, 1.0), (1.0, 3.0, 0.2), (3.0, 0.3, 0.5))
"""Standard deviations between seeds, between draws or languages, and of the rest."""


def crossed(seeds: int, places: int, of_seeds: float, of_places: float, rest: float, count: int) -> tuple[float, ...]:
    """How many intervals of 95 % cover the truth, of contrasts that every seed has at every place.

    Args:
        seeds: How many seeds.
        places: How many draws of rows, or languages.
        of_seeds: Standard deviation between seeds, of the mean and of what a covariate of the places gives.
        of_places: Standard deviation between places.
        rest: Standard deviation of the rest.
        count: Experiments.

    Returns:
        Shares: of the mean over draws; of the height and of the slope of a line over languages.
    """
    rng = np.random.default_rng(0)
    covered = np.zeros(3)
    for _ in range(count):
        x = rng.normal(0, 1, places)
        noise = rng.normal(0, of_places, (1, places)) + rng.normal(0, rest, (seeds, places))
        values = noise + rng.normal(0, of_seeds, (seeds, 1))
        error, df, _ = two_way(values)
        half = Spread(0.0, error, df).quantile(0.975)
        steep = values + rng.normal(0, of_seeds, (seeds, 1)) * (x - x.mean())
        by_place = [Gain(float(own.mean()), Spread(0, 0, 1), tuple(range(seeds)), tuple(own)) for own in steep.T]
        found = line(by_place, list(x))
        ends = [gain.interval() for gain in (found.height, found.slope)]
        covered += [abs(values.mean()) <= half, *(low <= 0 <= high for low, high in ends)]
    return tuple((covered / count).tolist())


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiments", type=int, default=1000, help="experiments of each kind")
    options = parser.parse_args(arguments)
    print("| setting | covered | false | family | seen | nothing | below |\n|---|---|---|---|---|---|---|")
    for setting in SETTINGS:
        found = rates(setting, options.experiments)
        print(f"| {setting.words} | {' | '.join(f'{100 * value:.1f}' for value in found.values())} |", flush=True)
    print(
        "\n| seeds x places, noise between seeds, places, rest | mean over draws | height | slope |\n|---|---|---|---|"
    )
    for seeds, places in ((3, 5), (2, 5), (3, 8), (3, 40)):
        for spread in SPREADS:
            shares = " | ".join(f"{100 * share:.1f}" for share in crossed(seeds, places, *spread, options.experiments))
            print(f"| {seeds} x {places}, {', '.join(map(str, spread))} | {shares} |", flush=True)


if __name__ == "__main__":
    main()

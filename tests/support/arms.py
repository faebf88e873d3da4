"""Simulated answers of two arms with a known gain."""

import numpy as np
from scipy.stats import norm

from stilts_xtreme.tasks.metrics.items import Items


def items_of(right):
    """Items of rows that are right or wrong."""
    right = np.asarray(right, float)
    return Items([str(n) for n in range(len(right))], right, np.ones(len(right)))


def arms(rng, seeds=3, languages=4, rows=200, gain=0.0, seed_noise=0.0, parallel=True):
    """Candidate and baseline, and the true gain in points.

    An item is right where the sum of its difficulty (shared by the languages of a parallel set), that in its language,
    what the seed adds and noise of its own is above a threshold. The candidate finds other items hard than the
    baseline does, in all languages alike.
    """
    shape = (rows,) if parallel else (languages, rows)
    hard, other = rng.normal(0, 1, shape), rng.normal(0, 0.6, shape)
    local = rng.normal(0, 0.5, (languages, rows))
    made = []
    for shift, taste in ((0.0, 0.0), (gain, other)):
        arm = {}
        for seed in range(seeds):
            latent = 0.3 + shift + hard + taste + local + rng.normal(0, seed_noise)
            right = latent + rng.normal(0, 0.5, (languages, rows)) > 0
            arm[seed] = {f"l{n}": items_of(right[n]) for n in range(languages)}
        made.append(arm)
    base = 1.5 + seed_noise**2
    truth = 100 * (norm.cdf((0.3 + gain) / (base + 0.36) ** 0.5) - norm.cdf(0.3 / base**0.5))
    return made[1], made[0], truth


def no_gain(rows=200):
    """The shift of the candidate at which the arms are equally good (see :func:`arms`), without noise of seeds."""
    return 0.3 * (1.86 / 1.5) ** 0.5 - 0.3

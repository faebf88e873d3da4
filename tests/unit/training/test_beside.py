"""The steps of a training on shots with English rows beside them."""

from __future__ import annotations

import numpy as np
import pytest

from stilts_xtreme.models.batch import Features
from stilts_xtreme.training.few_shot import Beside, joined
from stilts_xtreme.training.fit import Course, StepStream


def features(count: int, first: int) -> Features:
    """Units of one sequence with as many tokens as their place and one more, of ids from ``first``."""
    lengths = np.arange(1, count + 1)
    ids = np.repeat(np.arange(first, first + count), lengths)
    labels = {"label": ("unit", np.arange(first, first + count)), "tags": ("token", ids % 7)}
    return Features(ids.astype(np.int32), lengths, np.ones(count, np.int64), labels=labels)


def test_joined_units_are_those_of_both() -> None:
    both = joined(features(3, 100), features(2, 200))
    batch = both.take(np.array([0, 3, 4]))
    assert batch.ids.tolist() == [100, 200, 201, 201]
    assert batch.labels["label"].tolist() == [100, 200, 201]
    assert batch.labels["tags"].tolist() == [2, 4, 5, 5]


@pytest.mark.parametrize(("own", "other", "batch"), [(5, 40, 8), (20, 3, 8), (20, 50, 8), (8, 8, 8)])
def test_each_step_has_its_own_units_and_as_many_others(own: int, other: int, batch: int) -> None:
    course = Course("shots", features(own, 0), batch, 12)
    alone, beside = StepStream([course], 3), Beside(course, features(other, 1000), 3)
    assert len(alone) == len(beside) == 12
    met: list[int] = []
    for index in range(12):
        expected = alone.step(index).units
        units = beside.step(index).units
        assert units[: len(expected)].tolist() == expected.tolist(), "as without the others"
        others = units[len(expected) :]
        assert len(others) == min(len(expected), other)
        assert (others >= own).all()
        met += others.tolist()
    counts = np.bincount(np.array(met) - own, minlength=other)
    assert counts.max() - counts.min() <= 2, "all others come, evenly"
    assert Beside(course, features(other, 1000), 3).step(7).units.tolist() == beside.step(7).units.tolist()

"""Encoders merged, against the formulas written out number by number."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stilts_xtreme.core.mixing import Merge
from stilts_xtreme.models.merged_weights import merge

METHODS = (Merge("mean"), Merge("task_arithmetic", 0.4), Merge("ties", 1.0, 0.2), Merge("ties", 0.7, 1.0))
VALUES = st.integers(-8, 8).map(lambda number: number / 4)


def merged(start: Sequence[float], encoders: Sequence[Sequence[float]], how: Merge) -> list[float]:
    """What two tensors, the first weight and the others, become."""
    parts = {"a": slice(0, 1), "b": slice(1, None)}

    def tensors(values: Sequence[float]) -> dict[str, torch.Tensor]:
        return {name: torch.tensor(values[part]) for name, part in parts.items()}

    found = merge(tensors(start), [tensors(encoder).__getitem__ for encoder in encoders], how)
    return [float(value) for name in parts for value in found[name]]


def by_hand(start: Sequence[float], encoders: Sequence[Sequence[float]], how: Merge) -> list[float]:
    changes = [[own - before for own, before in zip(encoder, start, strict=True)] for encoder in encoders]
    if how.method == "ties":
        for change in changes:
            sizes = sorted((abs(value) for value in change if value), reverse=True)
            kept = sizes[: math.ceil(how.density * len(sizes))] if how.density else []
            for at, value in enumerate(change):
                if abs(value) not in kept:
                    change[at] = 0.0
    found = []
    for before, *values in zip(start, *changes, strict=True):
        if how.method == "mean":
            found.append(before + sum(values) / len(values))
        elif how.method == "task_arithmetic":
            found.append(before + how.scale * sum(values))
        else:
            same = [value for value in values if value * sum(values) > 0]
            found.append(before + how.scale * sum(same) / max(1, len(same)))
    return found


WEIGHTS = st.lists(VALUES, min_size=5, max_size=5)


@pytest.mark.parametrize("how", METHODS, ids=lambda how: f"{how.method}-{how.density}")
@given(start=WEIGHTS, encoders=st.lists(WEIGHTS, min_size=2, max_size=4))
def test_methods_are_their_formulas(how: Merge, start: list[float], encoders: list[list[float]]) -> None:
    assert merged(start, encoders, how) == pytest.approx(by_hand(start, encoders, how), abs=1e-6)
    assert merged(start, encoders[::-1], how) == pytest.approx(merged(start, encoders, how), abs=1e-6)


@given(start=WEIGHTS, encoder=WEIGHTS, times=st.integers(2, 4))
def test_the_mean_of_one_encoder_is_that_encoder(start: list[float], encoder: list[float], times: int) -> None:
    assert merged(start, [encoder] * times, Merge("mean")) == encoder
    assert merged(start, [encoder] * times, Merge("ties", 1.0, 1.0)) == encoder
    share = Merge("task_arithmetic", 1 / times)
    assert merged(start, [encoder] * times, share) == pytest.approx(encoder, abs=1e-6)


def test_weights_that_no_training_moved_do_not_count_among_the_largest() -> None:
    """Otherwise a frozen embedding would let every change stay."""
    start, encoders = [0.0] * 10, [[4.0, 1.0] + [0.0] * 8, [4.0, 1.0] + [0.0] * 8]
    assert merged(start, encoders, Merge("ties", 1.0, 0.5)) == [4.0] + [0.0] * 9


def test_what_is_no_weight_is_kept() -> None:
    start = {"ids": torch.arange(3), "w": torch.zeros(1)}
    found = merge(start, [{"w": torch.ones(1)}.__getitem__] * 2, Merge("mean"))
    assert found["ids"].tolist() == [0, 1, 2]
    assert found["w"].item() == 1

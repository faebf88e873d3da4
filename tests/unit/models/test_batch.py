"""Ragged batches: nothing lost, nothing twice, nothing over budget, the same every time."""

from __future__ import annotations

from itertools import zip_longest

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.encoders import features_of, sequences_of

from stilts_xtreme.models.batch import Batch, Features, concatenate, expand, fill, order, spans, stream
from stilts_xtreme.training.fit import steps_of

sequences = st.lists(st.integers(0, 99), min_size=1, max_size=7)
units = st.lists(st.lists(sequences, min_size=1, max_size=4), max_size=9)
lengths = st.lists(st.integers(0, 6), max_size=10)


def labelled(data: list[list[list[int]]]) -> Features:
    features = features_of(data, types=True)
    features.labels = {
        "of_unit": ("unit", np.arange(len(features.units)) * 10),
        "of_sequence": ("sequence", np.arange(len(features.lengths)) * 10),
        "of_token": ("token", np.arange(len(features.ids)) * 10),
    }
    return features


@given(lengths)
def test_spans_are_the_running_sum(sizes):
    found = spans(np.asarray(sizes, np.int64))
    assert found.tolist() == [sum(sizes[:position]) for position in range(len(sizes) + 1)]


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 5)), max_size=10))
def test_expand_lists_every_segment_in_order(segments):
    starts = np.asarray([start for start, _ in segments], np.int64)
    sizes = np.asarray([size for _, size in segments], np.int64)
    assert expand(starts, sizes).tolist() == [start + step for start, size in segments for step in range(size)]


@given(units, st.data())
def test_take_equals_plain_lists(data, draw):
    features = labelled(data)
    chosen = draw.draw(st.lists(st.integers(0, len(data) - 1), max_size=8)) if data else []
    where = np.asarray(chosen, np.int64)
    batch = features.take(where, "some")
    assert sequences_of(batch) == [sequence for unit in chosen for sequence in data[unit]]
    assert batch.units.tolist() == [len(data[unit]) for unit in chosen]
    assert batch.types.tolist() == [token % 2 for unit in chosen for sequence in data[unit] for token in sequence]
    assert batch.task == "some"
    assert batch.ids.dtype == batch.lengths.dtype == batch.units.dtype == batch.types.dtype == torch.int64
    for over in ("unit", "sequence", "token"):
        found = features.positions(where, over)
        assert (batch.labels[f"of_{over}"].numpy() == found * 10).all()
        everything = features.positions(np.arange(len(data)), over)
        assert everything.tolist() == list(range(features.count(over)))
    token = 0
    naive = []  # positions counted one by one
    for unit in data:
        naive.append(list(range(token, token + sum(map(len, unit)))))
        token += sum(map(len, unit))
    assert features.positions(where, "token").tolist() == [at for unit in chosen for at in naive[unit]]


@given(units)
def test_sizes_of_units(data):
    features = features_of(data)
    assert len(features) == len(data)
    assert features.unit_tokens.tolist() == [sum(map(len, unit)) for unit in data]
    assert features.unit_widest.tolist() == [max(map(len, unit)) for unit in data]


@given(st.lists(units, min_size=1, max_size=4))
def test_concatenate_is_one_list(parts):
    joined = concatenate([features_of(part, types=True) for part in parts])
    data = [unit for part in parts for unit in part]
    whole = features_of(data, types=True)
    for name in ("ids", "lengths", "units", "types"):
        assert getattr(joined, name).tolist() == getattr(whole, name).tolist()
    assert sequences_of(joined.take(np.arange(len(data)))) == [sequence for unit in data for sequence in unit]
    assert concatenate([features_of(part) for part in parts]).types is None


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(1, 5)), max_size=25), st.integers(1, 120))
def test_fill_holds_every_unit_once_within_budget(data, budget):
    widths = np.asarray([width for width, _ in data], np.int64)
    counts = np.asarray([count for _, count in data], np.int64)
    groups = fill(widths, counts, budget)
    assert sorted(int(unit) for group in groups for unit in group) == list(range(len(data)))
    for group, following in zip_longest(groups, groups[1:]):
        padded = widths[group].max() * counts[group].sum()
        assert padded <= budget or len(group) == 1
        if following is not None:  # groups are as full as the order allows
            assert widths[group].max() * (counts[group].sum() + counts[following[0]]) > budget
    flat = [int(unit) for group in groups for unit in group]
    assert flat == sorted(range(len(data)), key=lambda unit: (-widths[unit], unit))


@given(units, st.integers(1, 60))
def test_stream_gives_every_unit_once(data, budget):
    features = labelled(data)
    seen = []
    for where, batch in stream(features, budget):
        seen += where.tolist()
        assert sequences_of(batch) == [sequence for unit in where for sequence in data[unit]]
        assert len(where) == 1 or int(batch.lengths.max()) * len(batch.lengths) <= budget
    assert sorted(seen) == list(range(len(data)))


@settings(max_examples=50)
@given(st.integers(0, 2**31), st.text(max_size=8), st.integers(0, 50), st.integers(0, 40))
def test_order_is_a_permutation_of_its_arguments(seed, name, epoch, size):
    found = order(seed, name, epoch, size)
    assert sorted(found.tolist()) == list(range(size))
    assert found.tolist() == order(seed, name, epoch, size).tolist()


def test_order_depends_on_every_argument_and_is_pinned():
    """A changed order would break the resume of a run that an earlier version started."""
    assert order(1, "mnli", 0, 8).tolist() == [3, 5, 7, 0, 2, 6, 4, 1]
    others = [order(2, "mnli", 0, 100), order(1, "mnlj", 0, 100), order(1, "mnli", 1, 100)]
    assert all(other.tolist() != order(1, "mnli", 0, 100).tolist() for other in others)


def test_to_moves_everything():
    features = labelled([[[1, 2], [3]], [[4]]])
    batch = features.take(np.asarray([1, 0]), "some").to("meta")
    assert all(tensor.device.type == "meta" for tensor in (batch.ids, batch.types, *batch.labels.values()))
    assert batch.lengths.tolist() == [1, 2, 1], "nothing on the host waits for a device to know where sequences end"
    assert batch.units.tolist() == [1, 2]
    assert batch.task == "some"
    assert Batch(batch.ids, batch.lengths, batch.units).to("meta").types is None


def test_steps_are_those_of_the_epochs_and_never_more_than_the_limit() -> None:
    assert steps_of(100, 32, 3, None) == 12
    assert steps_of(100, 32, 3, 5) == 5
    assert steps_of(100, 32, 3, 500) == 12
    assert steps_of(1, 32, 0.01, None) == 1

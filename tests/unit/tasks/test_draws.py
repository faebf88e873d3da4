"""Which rows are shots."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from stilts_xtreme.tasks import format_of
from stilts_xtreme.tasks.draws import drawn

IDS = st.lists(st.integers(0, 9999).map(str), min_size=1, max_size=60, unique=True)


@given(IDS, st.integers(0, 5), st.data())
def test_a_draw_of_fewer_rows_is_part_of_one_with_more(ids: list[str], draw: int, data: st.DataObject) -> None:
    strata = data.draw(st.none() | st.lists(st.integers(0, 3), min_size=len(ids), max_size=len(ids)))
    whole = drawn(ids, strata, draw, len(ids))
    assert sorted(whole) == list(range(len(ids)))
    for k in range(len(ids)):
        assert drawn(ids, strata, draw, k) == whole[:k]


@given(IDS, st.integers(0, 5))
def test_classes_come_evenly(ids: list[str], draw: int) -> None:
    strata = [len(name) % 3 for name in ids]
    left, seen = Counter(strata), Counter[int]()
    for at in drawn(ids, strata, draw, len(ids)):
        assert seen[strata[at]] == min(seen[c] for c in left if left[c] or c == strata[at]), "one class runs ahead"
        seen[strata[at]] += 1
        left[strata[at]] -= 1


def test_draws_are_of_ids_and_not_of_places() -> None:
    ids = [str(n) for n in range(100)]
    found = {ids[at] for at in drawn(ids, None, 0, 10)}
    assert found == {ids[::-1][at] for at in drawn(ids[::-1], None, 0, 10)}
    others = [{ids[at] for at in drawn(ids, None, draw, 10)} for draw in range(1, 6)]
    assert all(len(found & other) < 6 for other in others)


def test_only_rows_with_one_label_have_classes() -> None:
    assert format_of("classification").strata({"id": ["a", "b"], "label": [1, 0]}) == [1, 0]
    assert format_of("tagging").strata({"id": ["a"], "tokens": [["x"]], "tags": [[0]]}) is None
    assert format_of("qa").strata({"id": ["a"], "question": ["x"]}) is None

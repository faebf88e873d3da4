"""Searches for the nearest candidates against a plain sort."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.ranking import by_hand

from stilts_xtreme.models import search


@settings(max_examples=40, deadline=None)
@given(st.data(), st.integers(0, 6), st.integers(1, 12), st.integers(1, 8), st.sampled_from([np.float32, np.float16]))
def test_rankings_are_those_of_a_sort(data, n: int, m: int, k: int, kind) -> None:
    # small whole numbers: products are exact, and many are equal
    draw = np.random.default_rng(data.draw(st.integers(0, 10**6)))
    queries = draw.integers(-2, 3, (n, 3)).astype(np.float32)
    candidates = draw.integers(-2, 3, (m, 3)).astype(kind)
    sims = queries @ candidates.astype(np.float32).T
    expected = by_hand(sims)
    wanted = [sorted(draw.choice(m, draw.integers(0, m + 1), replace=False).tolist()) for _ in range(n)]
    with pytest.MonkeyPatch.context() as patch:
        for limit, run in ((1, 64), (60, 2), (10**9, 1), (10**9, 3), (10**9, 64)):
            patch.setattr(search, "BLOCK_BYTES", limit)
            patch.setattr(search, "RUN", run)
            values, found = search.top_k(queries, candidates, k)
            assert found.tolist() == [row[:k] for row in expected]
            assert values.tolist() == [[sims[at][i] for i in row[:k]] for at, row in enumerate(expected)]
            forth, back = search.top_k_both(queries, candidates, k)
            assert (forth[0].tolist(), forth[1].tolist()) == (values.tolist(), found.tolist())
            reverse = by_hand(sims.T)
            assert back[1].tolist() == [row[:k] for row in reverse]
            assert back[0].tolist() == [[sims[i][at] for i in row[:k]] for at, row in enumerate(reverse)]
            places = [[row.index(at) + 1 for at in own] for row, own in zip(expected, wanted, strict=True)]
            assert search.ranks(queries, candidates, wanted) == places

"""Ranking: average precision, chance, floors, the loss, and steps in parts."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.cells import cell_of
from support.encoders import FAMILY_OF, TOKENIZERS, odd_texts, unigram
from support.ranking import ROWS, by_hand, module

from stilts_xtreme.tasks.floors import fit as floors
from stilts_xtreme.tasks.floors.overlap import TfIdf
from stilts_xtreme.tasks.metrics.ranking import average_precision, chance_precision, rank_c, whole_average_precision
from stilts_xtreme.tasks.module import Optimisation, Step
from stilts_xtreme.tasks.ranking.module import SCALE, Pool, contrastive
from stilts_xtreme.training.predict import predict


@settings(max_examples=40, deadline=None)
@given(st.permutations(list("abcdefghijklmnopqrstuvwxyz")), st.sets(st.sampled_from("abcdefghijklm"), min_size=1))
def test_precision_of_a_whole_ranking(ranked: list[str], right: set[str]) -> None:
    ranks = [ranked.index(key) + 1 for key in sorted(right)]
    assert whole_average_precision([ranks], [list(right)]) == pytest.approx(average_precision(ranked, right))
    # one that no ranking can hold adds nothing, as to a ranking without it
    missing = {*right, "?"}
    assert whole_average_precision([ranks], [list(missing)]) == pytest.approx(average_precision(ranked, missing))


@settings(max_examples=40, deadline=None)
@given(st.permutations(list("abcdef")), st.permutations(list("abcdef")))
def test_rankc_is_a_softmax_over_shares_of_common_candidates(one: list[str], other: list[str]) -> None:
    orders = np.exp(np.arange(6, 0, -1))
    shares = [len({*one[:j]} & {*other[:j]}) / j for j in range(1, 7)]
    assert rank_c(one, other) == pytest.approx(orders / orders.sum() @ shares)
    assert rank_c(one, other) == rank_c(other, one)
    assert rank_c(one, one) == pytest.approx(1)


def test_rankc_by_hand() -> None:
    assert rank_c(["a", "b"], ["b", "a"]) == pytest.approx(1 / (1 + np.e))
    assert rank_c(["a"], ["b"]) == rank_c([], ["a"]) == 0
    long = [str(n) for n in range(60)]
    assert rank_c(long, [*long[:20], *long[:19:-1]]) == pytest.approx(rank_c(long[:20], long[:20]))


@pytest.mark.parametrize(("right", "candidates", "k"), [(1, 5, 20), (2, 5, 3), (3, 4, 2), (4, 4, 20), (1, 1, 20)])
def test_chance_is_the_mean_over_all_orders(right: int, candidates: int, k: int) -> None:
    ids = [str(n) for n in range(candidates)]
    found = [average_precision(order, ids[:right], k) for order in permutations(ids)]
    assert chance_precision(right, candidates, k) == pytest.approx(sum(found) / len(found))


@settings(max_examples=30, deadline=None)
@given(st.lists(odd_texts, min_size=1, max_size=6), odd_texts, st.integers(1, 8))
def test_tfidf_ranks_by_its_scores(candidates: list[str], query: str, k: int) -> None:
    index = TfIdf(candidates)
    from stilts_xtreme.tasks.floors.overlap import _bag

    assert index.first(query, k) == by_hand(index.scores(_bag(query))[None])[0][:k]
    if query.strip() and query in candidates:
        assert index.scores(_bag(query)).max() == pytest.approx(1, abs=1e-6)


def test_floors_of_a_ranking() -> None:
    pool = {"id": ["q1", "r1", "q2"], "text": ["the dog sleeps", "eine Katze", "北京"], "context": [""] * 3}
    test = {
        "id": ["a", "b"],
        "query": ["where the dog sleeps", "北京?"],
        "text": ["", ""],
        "context": ["", ""],
        "gold": [["q1", "r1"], ["q2"]],
    }
    found = floors.fit("ranking", "map_at_20", {}, (), pool)(test, "qaa")
    # a: q1 at 1, then r1 before q2 (ties by position); b: at 1
    assert found["tfidf"] == pytest.approx(100)
    assert found["chance"] == pytest.approx(50 * (chance_precision(2, 3, 20) + chance_precision(1, 3, 20)))


@pytest.mark.parametrize("name", TOKENIZERS)
def test_a_unit_is_a_query_and_its_candidate(name: str) -> None:
    tokenizer, head = TOKENIZERS[name](), module(FAMILY_OF[name])
    features = head.features(ROWS, tokenizer)
    found = np.split(features.ids, np.cumsum(features.lengths)[:-1])
    for n, (query, text, context) in enumerate(zip(ROWS["query"], ROWS["text"], ROWS["context"], strict=True)):
        pair = (text, context) if context else (text,)
        assert found[2 * n].tolist() == tokenizer(query, truncation=True, max_length=12)["input_ids"]
        whole = tokenizer(*pair, truncation="longest_first", max_length=32)
        assert found[2 * n + 1].tolist() == whole["input_ids"]
        if name == "word_piece":
            types = np.split(features.types, np.cumsum(features.lengths)[:-1])
            assert types[2 * n + 1].tolist() == whole["token_type_ids"]
    assert features.units.tolist() == [2] * 6
    assert features.labels["gold"][1].tolist() == [0, 1, 2, 1, 0, 3]
    asked = head.features({**ROWS, "text": [""] * 6}, tokenizer)
    assert asked.units.tolist() == [1] * 6
    assert asked.ids.tolist() == np.concatenate(found[0::2]).tolist()
    pool = head.candidates(ROWS, tokenizer)
    assert pool.ids.tolist() == np.concatenate(found[1::2]).tolist()


def test_loss_is_cross_entropy_over_what_is_not_the_same() -> None:
    draw = torch.Generator().manual_seed(0)
    queries, candidates = (torch.nn.functional.normalize(torch.randn(5, 4, generator=draw), dim=1) for _ in range(2))
    gold, expected = [0, 1, 0, 2, 3], 0.0
    for i in range(5):
        others = [j for j in range(5) if j == i or gold[j] != gold[i]]
        terms = [np.exp(SCALE * float(queries[i] @ candidates[j])) for j in others]
        expected -= np.log(terms[others.index(i)] / sum(terms))
    assert float(contrastive(queries, candidates, torch.tensor(gold))) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_a_step_in_parts_has_the_gradients_of_the_whole(dropout: float, monkeypatch: pytest.MonkeyPatch) -> None:
    head = module(dropout=dropout).train()
    step = Step("t", head.features(ROWS, unigram()), np.arange(6), 3)
    monkeypatch.setattr(head, "manual_backward", lambda loss: loss.backward())
    found = {}
    for parts in (1, 2, 4):
        head.optimisation = Optimisation(1e-3, 10, 0, 0.0, 1e-8, 1.0, 0, 10**6, accumulation=parts)
        head.zero_grad()
        torch.manual_seed(0)
        loss = head._accumulate(step)
        found[parts] = (float(loss), [w.grad.clone() for w in head.parameters() if w.grad is not None])
    if not dropout:
        for parts in (2, 4):
            assert found[parts][0] == pytest.approx(found[1][0], rel=1e-4)
            assert all(
                torch.allclose(one, other, rtol=1e-3, atol=1e-4)
                for one, other in zip(found[1][1], found[parts][1], strict=True)
            )
        return
    # with dropout: the gradient of the very loss that was returned, vectors of each part drawn with its own seed
    batches = list(head.micro_batches(step))
    vectors = []
    for at, batch in enumerate(batches):
        torch.manual_seed(3 * 1009 + at + 1)
        vectors.append(head.vectors(batch))
    joined, gold = torch.cat(vectors), torch.cat([batch.labels["gold"] for batch in batches])
    head.zero_grad()
    loss = contrastive(joined[0::2], joined[1::2], gold) / 6
    loss.backward()
    assert loss.item() == pytest.approx(found[4][0], rel=1e-4)
    own = [w.grad for w in head.parameters() if w.grad is not None]
    assert all(torch.allclose(a, b, rtol=1e-3, atol=1e-4) for a, b in zip(own, found[4][1], strict=True))


def test_queries_choose_from_the_pool_or_from_each_others_candidates() -> None:
    head = module().eval()
    trainer = cell_of("+target=lareqa", "trainer=cpu").trainer
    features = head.features(ROWS, unigram())
    found = predict(head, features, trainer, None)
    expected = found[0][0::2] @ found[0][1::2][[0, 1, 2, 5]].T  # rows 3 and 4 have the candidates of 1 and 0
    ids = ["1", "2", "3", "6"]
    answers = head.decode(ROWS, features, found)
    assert answers == {key: [ids[at] for at in row] for key, row in zip(ROWS["id"], by_hand(expected), strict=True)}
    first = [row.index(ids.index(own[0])) + 1 for row, own in zip(by_hand(expected), ROWS["gold"], strict=True)]
    assert [row[0] for row in head.ranks(ROWS, features, found)] == first
    pool = {"text": ["北京是首都。", "Nairobi is the capital."], "context": ["", ""]}
    (vectors,) = predict(head, head.candidates(pool, unigram()), trainer, None)
    head.pool = Pool(["de_1_0", "en_1_0"], vectors)
    asked = {**ROWS, "text": [""] * 6, "gold": [["en_1_0", "gone"]] * 6}
    alone = head.features(asked, unigram())
    outputs = predict(head, alone, trainer, None)
    order = by_hand(outputs[0] @ vectors.T)
    assert list(head.decode(asked, alone, outputs).values()) == [[head.pool.ids[at] for at in row] for row in order]
    assert head.ranks(asked, alone, outputs) == [[row.index(1) + 1] for row in order]

"""The official metrics behind torchmetrics' interface: equal to the scores of files, and unlike torchmetrics' own."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.encoders import odd_texts
from torchmetrics.retrieval import RetrievalMAP
from torchmetrics.text import SQuAD

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.tasks import predictions
from stilts_xtreme.tasks.metrics.metric import METRICS
from stilts_xtreme.tasks.metrics.official import OfficialMetric

FORMAT_OF = {
    "accuracy": "classification",
    "chunk_f1": "tagging",
    "pos_f1": "tagging",
    "token_accuracy": "tagging",
    "squad": "qa",
    "squad_v2": "qa",
    "mlqa": "qa",
    "retrieval_accuracy": "retrieval",
    "bitext_f1": "bitext",
    "map_at_20": "ranking",
}

LABELS = st.sampled_from(["yes", "no", "naïve", "否"])
TAGS = st.sampled_from(["O", "X", "B-X", "I-X", "I-Y", "NOUN", "CCONJ", "."])
WORDS = st.one_of(st.sampled_from(["the", "The  a", "", "...", "北京", "قال"]), odd_texts)
KEYS = st.text("abcdé北0-", min_size=1, max_size=6)


def drawn(data: Any, name: str) -> tuple[Any, Any]:
    """Predictions and gold in the form of a metric."""
    kind = FORMAT_OF[name]
    size = data.draw(st.integers(1, 6))
    if kind == "classification":
        return tuple(data.draw(st.lists(LABELS, min_size=size, max_size=size)) for _ in range(2))
    if kind == "retrieval":
        return tuple(data.draw(st.lists(st.integers(0, 9), min_size=size, max_size=size)) for _ in range(2))
    if kind == "tagging":
        lengths = data.draw(st.lists(st.integers(1, 5), min_size=size, max_size=size))
        return tuple([data.draw(st.lists(TAGS, min_size=n, max_size=n)) for n in lengths] for _ in range(2))
    keys = data.draw(st.lists(KEYS, min_size=size, max_size=size, unique=True))
    if kind == "qa":
        least = 0 if name == "squad_v2" else 1
        gold = {key: data.draw(st.lists(WORDS, min_size=least, max_size=3)) for key in keys}
        return {key: data.draw(WORDS) for key in keys}, gold
    if kind == "bitext":
        pairs = st.lists(st.tuples(KEYS, KEYS), min_size=1, max_size=8)
        return data.draw(pairs), data.draw(pairs)
    ids = st.lists(KEYS, min_size=1, max_size=25)
    return {key: data.draw(ids) for key in keys}, {key: data.draw(ids) for key in keys}


def rows_of(kind: str, gold: Any) -> dict[str, list]:
    """Canonical rows of questions with this gold; every answer is in the context."""
    contexts = [" ".join(["x", *texts]) for texts in gold.values()]
    starts = [[context.find(text) for text in texts] for context, texts in zip(contexts, gold.values(), strict=True)]
    return {
        "id": list(gold),
        "context": contexts,
        "question": ["?"] * len(gold),
        "answer_texts": list(gold.values()),
        "answer_starts": starts,
    }


@pytest.mark.parametrize("name", sorted(METRICS))
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_it_equals_the_scores_of_files(name: str, data: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    kind, language = FORMAT_OF[name], "de"
    found, gold = drawn(data, name)
    folder: Path = tmp_path_factory.mktemp("files")
    try:
        predictions.write(folder / "predictions", "task", language, kind, found)
        if kind == "qa":
            predictions.write_gold(folder / "labels", "task", language, kind, rows_of(kind, gold))
        else:
            predictions.write(folder / "labels", "task", language, kind, gold)
    except StiltsError:  # text that the files cannot hold
        return
    told = predictions.read_gold(folder / "labels", "task", language, kind)
    read = predictions.read(folder / "predictions", "task", language, kind, None if kind == "bitext" else told)
    expected = METRICS[name].score(read, told, language)
    metric = OfficialMetric(name, language)
    metric.update(found, gold)
    scores = metric.compute()
    assert scores.keys() == expected.keys()
    assert all(value.dtype == torch.float64 for value in scores.values())
    for key, value in expected.items():
        assert float(scores[key]) == pytest.approx(value, abs=1e-9)
    assert metric.headline() == pytest.approx(METRICS[name].headline(expected), abs=1e-9)


@pytest.mark.parametrize("name", sorted(METRICS))
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_parts_and_processes_give_what_the_whole_gives(name: str, data: Any) -> None:
    found, gold = drawn(data, name)
    keys = list(gold) if isinstance(gold, dict) else range(len(gold))
    cut = data.draw(st.integers(0, len(keys)))
    if isinstance(gold, dict):
        parts = [
            ({key: found[key] for key in some}, {key: gold[key] for key in some}) for some in (keys[:cut], keys[cut:])
        ]
    else:
        parts = [(found[:cut], gold[:cut]), (found[cut:], gold[cut:])]
    expected = METRICS[name].score(found, gold, "de")
    one = OfficialMetric(name, "de")
    for part in parts:
        one.update(*part)
    assert one.scores() == expected
    # two processes: each has a part, and gathering gives everyone the states of both
    ranks = [OfficialMetric(name, "de") for _ in parts]
    for rank, part in zip(ranks, parts, strict=True):
        rank.update(*part)
    states = {attr: [torch.cat(getattr(rank, attr)) for rank in ranks] for attr in ("text", "sizes")}

    def gather(state: torch.Tensor, group: Any = None) -> list[torch.Tensor]:
        return next(both for both in states.values() if both[0].dtype == state.dtype)

    ranks[0]._sync_dist(gather)
    assert ranks[0].scores() == expected


def test_forward_reset_and_refusals() -> None:
    metric = OfficialMetric("accuracy")
    assert float(metric(["a"], ["a"])["accuracy"]) == 100.0
    assert float(metric(["a"], ["b"])["accuracy"]) == 0.0
    assert float(metric.compute()["accuracy"]) == 50.0
    metric.reset()
    with pytest.raises(StiltsError, match="0 rows"):
        metric.compute()
    assert not metric.state_dict()
    with pytest.raises(StiltsError, match=r"metric=acuracy is not known .did you mean 'accuracy'"):
        OfficialMetric("acuracy")
    squad = OfficialMetric("squad")
    squad.update({"1": "a"}, {"1": ["a"]})
    squad.update({"1": "b"}, {"1": ["b"]})
    with pytest.raises(StiltsError, match="1 ids were added more than once, first '1'"):
        squad.compute()
    with pytest.raises(StiltsError, match="text and numbers"):
        squad.update({"1": object()}, {"1": ["a"]})


@pytest.mark.parametrize("name", METRICS)
def test_it_can_be_copied_and_sent_to_another_process(name: str) -> None:
    metric = OfficialMetric(name, "en")
    for other in (copy.deepcopy(metric), pickle.loads(pickle.dumps(metric))):
        assert other.metric.name == name
    pickle.dumps(METRICS[name])


def test_torchmetrics_squad_gives_100_where_both_sides_normalise_to_nothing() -> None:
    own = OfficialMetric("squad")
    own.update({"1": "the"}, {"1": ["a"]})
    other = SQuAD()
    other.update(
        [{"id": "1", "prediction_text": "the"}], [{"id": "1", "answers": {"text": ["a"], "answer_start": [0]}}]
    )
    assert own.scores() == {"exact_match": 100.0, "f1": 0.0}
    assert {name: float(value) for name, value in other.compute().items()} == {"exact_match": 100.0, "f1": 100.0}


def ranking_of(right: list[int], scores: list[float], top: int = 20) -> tuple[float, float]:
    """Average precision of one query here and in torchmetrics, in percent; candidates stand in the order of scores."""
    own = OfficialMetric("map_at_20")
    own.update({"q": [str(at) for at in range(len(scores))]}, {"q": [str(at) for at in right]})
    other = RetrievalMAP(top_k=top)
    target = torch.tensor([at in right for at in range(len(scores))])
    other.update(torch.tensor(scores), target, indexes=torch.zeros(len(scores), dtype=torch.long))
    return own.scores()["map_at_20"], 100 * float(other.compute())


def test_torchmetrics_retrieval_map_divides_by_hits() -> None:
    scores = [1 - at / 100 for at in range(30)]
    # of two right candidates one is first and the other is not among the first 20
    assert ranking_of([0, 25], scores) == (50.0, 100.0)
    assert ranking_of([0, 1], scores) == (100.0, 100.0)


def test_torchmetrics_retrieval_map_takes_scores_of_zero_and_below_for_wrong() -> None:
    for low in (0.0, -0.3):
        own, other = ranking_of([0], [low, low - 0.1, low - 0.2])
        assert (own, other) == (100.0, 0.0)
    assert ranking_of([0], [0.3, 0.2, 0.1]) == (100.0, 100.0)

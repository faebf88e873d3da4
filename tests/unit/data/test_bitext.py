"""Bitext mining: search and threshold against plain loops, BUCC's files and traps, cells on the synthetic world."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.cells import cell_of
from support.encoders import bare_encoder, unigram

from stilts_xtreme.cell.plan import plan
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.schema import DataSpec
from stilts_xtreme.data import catalogue
from stilts_xtreme.data.sources import source_of
from stilts_xtreme.models import search
from stilts_xtreme.tasks import format_of
from stilts_xtreme.tasks.bitext_mining.rows import ENGLISH, FOREIGN
from stilts_xtreme.tasks.options import HeadOptions

# --- the search -------------------------------------------------------------------------------------------------------


def vectors(seed: int, count: int, width: int = 6) -> np.ndarray:
    found = np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def mined_by_loops(x: np.ndarray, y: np.ndarray, k: int = 4) -> list[tuple[int, int, float]]:
    """XTREME's ``mine_bitext`` with margin=ratio, neighborhood=4, retrieval=max, sentence by sentence."""

    def cosine(i: int, j: int) -> float:
        return float(np.dot(x[i].astype(float), y[j].astype(float)))

    def near(count: int, other: int, sim) -> tuple[list[list[int]], list[float]]:
        found = [sorted(range(other), key=lambda j, i=i: -sim(i, j))[:k] for i in range(count)]
        return found, [sum(sim(i, j) for j in js) / len(js) for i, js in enumerate(found)]

    x2y, x_mean = near(len(x), len(y), cosine)
    y2x, y_mean = near(len(y), len(x), lambda j, i: cosine(i, j))

    def margin(i: int, j: int) -> float:
        return cosine(i, j) / ((x_mean[i] + y_mean[j]) / 2)

    proposals = [max(((margin(i, j), i, j) for j in x2y[i]), key=lambda p: p[0]) for i in range(len(x))]
    proposals += [max(((margin(i, j), i, j) for i in y2x[j]), key=lambda p: p[0]) for j in range(len(y))]
    seen_x, seen_y, taken = set(), set(), []
    for score, i, j in sorted(proposals, key=lambda p: -p[0]):
        if i not in seen_x and j not in seen_y:
            seen_x.add(i)
            seen_y.add(j)
            if score > 0:
                taken.append((i, j, score))
    return taken


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 12))
def test_mining_is_xtremes(seed: int, n: int, m: int) -> None:
    x, y = vectors(seed, n), vectors(seed + 1, m)
    x, y = (np.abs(part) for part in (x, y))  # means of mixed signs make ratios that rounding turns around
    found, expected = search.mine(x, y), mined_by_loops(x, y)
    assert [(i, j) for i, j, _ in found] == [(i, j) for i, j, _ in expected]
    assert [s for *_, s in found] == pytest.approx([s for *_, s in expected], rel=1e-5)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 9), st.integers(1, 9), st.integers(1, 5))
def test_neighbours_do_not_depend_on_the_blocks(seed: int, n: int, m: int, k: int) -> None:
    queries, candidates = vectors(seed, n), vectors(seed + 1, m)
    order = np.argsort(-(queries @ candidates.T), axis=1, kind="stable")[:, :k]
    with pytest.MonkeyPatch.context() as patch:
        for size in (1, 100, 10**9):
            patch.setattr(search, "BLOCK_BYTES", size)
            sims, found = search.top_k(queries, candidates, k)
            assert found.tolist() == order.tolist()
            assert sims == pytest.approx(np.take_along_axis(queries @ candidates.T, order, 1), abs=1e-6)


def test_nothing_is_mined_from_an_empty_side() -> None:
    assert search.mine(vectors(0, 3), vectors(0, 0)) == []


SCORED = st.lists(st.tuples(st.floats(0.1, 2), st.booleans()), max_size=12)


@settings(max_examples=150, deadline=None)
@given(SCORED, st.integers(0, 3))
def test_no_other_threshold_has_a_better_f1(scored: list[tuple[float, bool]], hidden: int) -> None:
    scored.sort(key=lambda pair: -pair[0])
    found = [(f"f{n}", f"e{n}", score) for n, (score, _) in enumerate(scored)]
    gold = {(f"f{n}", f"e{n}") for n, (_, right) in enumerate(scored) if right} | {("x", f"{n}") for n in range(hidden)}

    def f1(threshold: float) -> float:
        kept = {(one, other) for one, other, score in found if score >= threshold}
        return 2 * len(kept & gold) / max(1, len(kept) + len(gold))

    best = search.best_threshold(found, gold)
    if len({score for score, _ in scored}) == len(scored):  # between equal scores no threshold can cut
        assert f1(best) == pytest.approx(max([f1(0), *(f1(score) for score, _ in scored)]))


def test_threshold_by_hand() -> None:
    found = [("a", "1", 1.4), ("b", "2", 1.2), ("c", "3", 1.0), ("d", "4", 0.9)]
    assert search.best_threshold(found, {("a", "1"), ("b", "2")}) == pytest.approx(1.1)
    assert search.best_threshold(found, {("d", "4")}) == pytest.approx(0.9)  # all of it: XTREME's script fails here
    assert search.best_threshold(found, {("x", "y")}) == 0


# --- the head ---------------------------------------------------------------------------------------------------------


def test_sentences_that_occur_twice_are_not_paired() -> None:
    head = format_of("bitext").module()(bare_encoder(), (), HeadOptions(max_length=32, layer=1))
    rows = {
        "id": ["f1", "f2", "f3", "e1", "e2", "e3", "e4"],
        "text": ["北京", "ไทย", " 北京 ", "Nairobi", "x 😀", "", "Nairobi"],
        "side": [FOREIGN] * 3 + [ENGLISH] * 4,
        "gold": [["e1"], [], [], [], [], [], []],
    }
    features = head.features(rows, unigram())
    assert len(features) == 7
    e = np.eye(4, dtype=np.float32)
    # f1 and f3 are the same text and so are e1 and e4: near each other, but not to be paired
    outputs = [np.stack([e[0], e[1], e[0], e[0], e[1], e[2], e[0]])]
    assert [(one, other) for one, other, _ in head.decode(rows, features, outputs)] == [("f2", "e2")]
    rows["text"][2], rows["text"][6] = "上海", "Mombasa"
    outputs = [np.stack([e[0], e[1], e[3], e[0], e[1], e[2], e[3]])]
    found = [(one, other) for one, other, _ in head.decode(rows, features, outputs)]
    assert {("f1", "e1"), ("f2", "e2"), ("f3", "e4")} <= set(found)


# --- data -------------------------------------------------------------------------------------------------------------


def place_hub(root: Path, foreign: list[str], english: list[str], gold: list[list[int]]) -> None:
    folder = root / "mteb" / "BUCC" / "de-en"
    folder.mkdir(parents=True, exist_ok=True)
    table = {"sentence1": [foreign], "sentence2": [english], "gold": [gold]}
    pq.write_table(pa.table(table), folder / "test-00000-of-00001.parquet")


def place_own(root: Path, corpus: str, foreign: list[str], english: list[str], gold: list[str]) -> None:
    folder = root / "local" / "bucc2018" / "de-en"
    folder.mkdir(parents=True, exist_ok=True)
    for end, lines in (("de", foreign), ("en", english), ("gold", gold)):
        (folder / f"de-en.{corpus}.{end}").write_text("".join(line + "\n" for line in lines), encoding="utf-8")


def load(root: Path, split: str = "test") -> dict[str, list]:
    return source_of(catalogue.load_spec("bucc2018"), DataSpec("hub", str(root))).rows(split, "de")[0]


def test_the_hubs_copy(tmp_path: Path) -> None:
    place_hub(tmp_path, ["eins", "zwei", "drei"], ["two", "😀", "one", "x"], [[1, 3], [2, 1]])
    rows = load(tmp_path)
    assert rows["text"] == ["eins", "zwei", "drei", "two", "😀", "one", "x"]
    assert rows["id"][0] == "foreign:1"
    assert rows["gold"][:3] == [["english:3"], ["english:1"], []]  # positions count from 1
    assert rows["side"] == [FOREIGN] * 3 + [ENGLISH] * 4
    spec, data = catalogue.load_spec("bucc2018"), DataSpec("hub", str(tmp_path))
    assert source_of(spec, data).count("test", "de") == 7
    place_hub(tmp_path, ["eins", "zwei"], ["one", "x"], [[0, 1]])
    with pytest.raises(StiltsError, match=r"the gold pair \[0, 1\] is outside of the 2 and 2 sentences"):
        load(tmp_path)


def test_buccs_own_files(tmp_path: Path) -> None:
    place_own(tmp_path, "training", ["de-7\teins\tmit Tab", "de-9\tzwei"], ["en-4\tone", "en-5\tx"], ["de-7\ten-4"])
    place_own(tmp_path, "sample", ["de-1\tdrei", "de-2\t"], ["en-1\tthree", "en-2\tz"], ["de-1\ten-1"])
    rows = load(tmp_path)
    assert rows["id"] == ["de-7", "de-9", "en-4", "en-5"]
    assert rows["text"] == ["eins\tmit Tab", "zwei", "one", "x"]
    assert rows["gold"] == [["en-4"], [], [], []]
    spec, data = catalogue.load_spec("bucc2018"), DataSpec("hub", str(tmp_path))
    assert source_of(spec, data).count("test", "de") == 4
    assert load(tmp_path, "validation")["id"] == ["de-1", "de-2", "en-1", "en-2"]
    keys = [plan(cell_of("+target=bucc2018", "data=hub", f"data.root={tmp_path}")).final.key]
    place_own(tmp_path, "sample", ["de-1\tvier", "de-2\t"], ["en-1\tthree", "en-2\tz"], ["de-1\ten-1"])
    keys.append(plan(cell_of("+target=bucc2018", "data=hub", f"data.root={tmp_path}")).final.key)
    assert keys[0] != keys[1], "the dev rows, which the threshold is chosen on, are part of the key"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"foreign": ["de-7 eins", "de-9\tzwei"]}, "de-en.training.de line 1: expected two fields"),
        ({"english": ["en-4\tone", "en-4\tx"]}, "de-en.training.en line 2: the id 'en-4' occurs more than once"),
        ({"gold": ["de-7\ten-4", "de-8\ten-5"]}, "de-en.training.gold line 2: the pair de-8 en-5 names a sentence"),
        ({"gold": []}, "de-en.training.gold is empty; bring a file with rows"),
        ({"gold": ["de-7\ten-4", "de-9\ten-5"]}, "holds only the gold pairs"),
    ],
)
def test_malformed_files_are_refused(tmp_path: Path, change: dict[str, list[str]], text: str) -> None:
    good = {"foreign": ["de-7\teins", "de-9\tzwei"], "english": ["en-4\tone", "en-5\tx"], "gold": ["de-7\ten-4"]}
    place_own(tmp_path, "training", **{**good, **change})
    with pytest.raises(StiltsError, match=text):
        load(tmp_path)


def test_copies_of_the_gold_pairs_alone_are_refused(tmp_path: Path) -> None:
    place_hub(tmp_path, ["eins", "zwei"], ["two", "one"], [[1, 2], [2, 1]])
    with pytest.raises(StiltsError, match="holds only the gold pairs, not the corpora"):
        load(tmp_path)
    folder = tmp_path / "mteb" / "BUCC" / "de-en"
    table = {"sentence1": ["eins"], "sentence2": ["one"], "gold": ["de-1\ten-1"]}
    pq.write_table(pa.table(table), folder / "test-00000-of-00001.parquet")
    with pytest.raises(StiltsError, match="holds only the gold pairs"):
        load(tmp_path)


def test_without_dev_rows_the_threshold_must_be_given(tmp_path: Path) -> None:
    place_hub(tmp_path, ["eins", "zwei"], ["one", "x"], [[1, 1]])
    base = ("+target=bucc2018", "data=hub", f"data.root={tmp_path}")
    with pytest.raises(StiltsError, match="no dev rows for de to choose the threshold on"):
        plan(cell_of(*base))
    with pytest.raises(StiltsError, match="no dev rows for de, fr, ru, zh"):
        plan(cell_of("+target=bucc2018", "model=xlmr_base", "data.root=null"))
    assert plan(cell_of(*base, "bitext.threshold=1.1")).final.languages == ("de",)
    assert plan(cell_of(*base, "bitext.threshold=test")).final.languages == ("de",)
    with pytest.raises(StiltsError, match=r"bitext.threshold=best.*take dev, test or a number"):
        cell_of(*base, "bitext.threshold=best")


# --- a cell -----------------------------------------------------------------------------------------------------------


def test_synthetic_corpora_hide_their_pairs() -> None:
    cell = cell_of("+target=bucc2018", "++data.world.test=60")
    spec = catalogue.load_spec("bucc2018")
    one, other = (source_of(spec, cell.data).rows("test", language)[0] for language in ("qab", "qac"))
    assert len(one["id"]) == 60
    assert sum(map(bool, one["gold"])) == 10
    assert (one["id"], one["gold"]) == (other["id"], other["gold"])
    assert one["text"][30:] == other["text"][30:], "English is the same for all languages"
    assert not set(one["text"][:30]) & set(other["text"][:30])
    dev = source_of(spec, cell.data).rows("validation", "qab")[0]
    assert not set(dev["text"]) & set(one["text"])


def test_thresholds_are_chosen_on_the_rows_that_were_asked_for() -> None:
    rows = {(split, "de"): {"id": ["f1", "f2"], "gold": [["e1"], []]} for split in ("test", "validation")}
    answers = {
        ("validation", "de"): [("f1", "e1", 1.4), ("f2", "e2", 1.2)],
        ("test", "de"): [("f2", "e2", 1.1), ("f1", "e1", 0.9), ("f3", "e3", 0.7)],
    }
    for setting, expected, many in (("dev", 1.3, 0), ("test", 0.8, 2), (0.5, 0.5, 3)):
        cell = cell_of("+target=bucc2018", f"bitext.threshold={setting}")
        kept, facts = format_of("bitext").finish(cell, rows, answers)
        assert facts["bitext"] == {"chosen_on": setting, "thresholds": pytest.approx({"de": expected})}
        assert kept == {"de": [pair[:2] for pair in answers["test", "de"][:many]]}


def test_a_cell_keeps_the_thresholds_and_applies_them(run_tiny, capsys) -> None:
    runs = {value: run_tiny("+target=bucc2018", f"bitext.threshold={value}") for value in ("dev", "test", "0", "1.05")}
    shown = capsys.readouterr().out
    assert "Margin thresholds chosen on dev rows: qab " in shown
    assert "CHOSEN ON THE SCORED ROWS" in shown

    def pairs(threshold: str, language: str) -> set[str]:
        folder = run_tiny.output / "cells" / runs[threshold]["cell"] / "predictions" / "bucc2018"
        return set((folder / f"test-{language}.tsv").read_text().splitlines())

    for language in ("qab", "qac"):
        assert pairs("1.05", language) < pairs("0", language)
        values = {t: row["value"] for t, r in runs.items() for row in r["comparison"] if row["language"] == language}
        assert values["test"] >= max(values.values())
    (stage,) = (s["key"] for s in runs["dev"]["stages"] if s["kind"] == "evaluate")
    scores = json.loads((run_tiny.output / "stages" / stage / "scores.json").read_text())
    assert scores["bitext"] == runs["dev"]["bitext"]
    assert set(scores["bitext"]["thresholds"]) == {"qab", "qac"}

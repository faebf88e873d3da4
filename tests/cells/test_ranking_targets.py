"""LAReQA and Mewsli-X: searches and scores against plain loops, their files, the synthetic ones, cells; sweeps."""

from __future__ import annotations

import csv
import json
from itertools import permutations
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.cells import TINY, cell_of
from support.encoders import FAMILY_OF, TEXTS, TOKENIZERS, bare_encoder, odd_texts, unigram

from stilts_xtreme.cell.plan import plan
from stilts_xtreme.commands import score
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.schema import DataSpec
from stilts_xtreme.data import catalogue
from stilts_xtreme.data.readers.ranking import breaks, marked
from stilts_xtreme.data.synthetic import LANGUAGES, World, rows, size
from stilts_xtreme.models import search
from stilts_xtreme.tasks.floors import fit as floors
from stilts_xtreme.tasks.floors.overlap import TfIdf
from stilts_xtreme.tasks.metrics.ranking import average_precision, chance_precision, map_at_20, whole_average_precision
from stilts_xtreme.tasks.module import Optimisation, Step
from stilts_xtreme.tasks.modules import HeadOptions
from stilts_xtreme.tasks.ranking.module import SCALE, Pool, RankingModule, contrastive
from stilts_xtreme.training.predict import predict

# --- search and scores ------------------------------------------------------------------------------------------------


def by_hand(sims: np.ndarray) -> list[list[int]]:
    """All candidates of each query, the nearest first, ties by position."""
    return [sorted(range(len(row)), key=lambda at, row=row: (-row[at], at)) for row in sims]


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


@settings(max_examples=40, deadline=None)
@given(st.permutations(list("abcdefghijklmnopqrstuvwxyz")), st.sets(st.sampled_from("abcdefghijklm"), min_size=1))
def test_precision_of_a_whole_ranking(ranked: list[str], right: set[str]) -> None:
    ranks = [ranked.index(key) + 1 for key in sorted(right)]
    assert whole_average_precision([ranks], [list(right)]) == pytest.approx(average_precision(ranked, right))
    # one that no ranking can hold adds nothing, as to a ranking without it
    missing = {*right, "?"}
    assert whole_average_precision([ranks], [list(missing)]) == pytest.approx(average_precision(ranked, missing))


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


# --- the head ---------------------------------------------------------------------------------------------------------

ROWS = {
    "id": [*"abcdef"],
    "query": ["What is the capital of Kenya?", "首都?", "", "ภาษาไทย", "the fox", "why 😀"],
    "text": ["Nairobi is the capital.", "北京是首都。", "x", "ไม่เว้นวรรค", "fox", "القاهرة"],
    "context": [TEXTS[1], TEXTS[5], "", TEXTS[2] * 3, "", TEXTS[3]],
    "gold": [["1"], ["2"], ["3"], ["2", "4"], ["1"], ["6"]],
}


def module(family: str = "xlm-roberta", dropout: float = 0.0, **changes) -> RankingModule:
    options = HeadOptions(**{"max_length": 32, "max_query_length": 12, **changes})
    return RankingModule(bare_encoder(family, dropout), (), options)


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


# --- the synthetic world ----------------------------------------------------------------------------------------------

SMALL = World(languages=4, train=60, validation=20, test=30, sentences=300)


def test_every_question_is_answered_once_in_every_language() -> None:
    pools = {code: rows(SMALL, "lareqa_candidates", "test", code) for code in LANGUAGES[:4]}
    sentence = {key: text for pool in pools.values() for key, text in zip(pool["id"], pool["text"], strict=True)}
    assert len(sentence) == sum(size(SMALL, "lareqa_candidates", "test", code) for code in pools) == 4 * 3 * 30
    for code, pool in pools.items():
        assert all(text in context for text, context in zip(pool["text"], pool["context"], strict=True))
        asked = rows(SMALL, "lareqa", "test", code)
        assert all([key.split("_")[0] for key in gold] == list(pools) for gold in asked["gold"])
        own = [next(key for key in gold if key.startswith(code)) for gold in asked["gold"]]
        assert set(own) <= set(pool["id"])
        if code == "qad":  # sentences can be found in a language whose answers have no bounds that pieces have
            continue
        told = rows(SMALL, "xquad", "test", code)
        assert (asked["id"], asked["query"]) == (told["id"], told["question"])
        assert all(texts[0] in sentence[key] for texts, key in zip(told["answer_texts"], own, strict=True))
    trained, source = rows(SMALL, "squad_sentences", "train", "qaa"), rows(SMALL, "squad_v1", "train", "qaa")
    assert trained["context"] == source["context"]
    assert all(
        texts[0] in text and text in context
        for texts, text, context in zip(source["answer_texts"], trained["text"], trained["context"], strict=True)
    )


def test_every_mention_has_one_entity_of_its_own_split() -> None:
    pools = [rows(SMALL, "mewsli_x_candidates", "test", code) for code in LANGUAGES[:4]]
    ids = [key for pool in pools for key in pool["id"]]
    assert len(ids) == len(set(ids))
    seen: dict[str, set[str]] = {}
    for name, split in (("mewsli_x_pairs", "train"), ("mewsli_x_pairs", "validation"), ("mewsli_x", "test")):
        found = rows(SMALL, name, split, "qaa")
        seen[split] = {gold for (gold,) in found["gold"]}
        assert seen[split] <= set(ids)
        assert len(set(found["query"])) == len(found["query"])
        for query in found["query"]:
            mention, _, rest = query.partition(": ")
            assert f"{{ {mention} }}" in rest
            assert query.count("{") == query.count("}") == 1
    assert not seen["train"] & seen["validation"]
    assert not seen["train"] & seen["test"]
    assert not seen["validation"] & seen["test"]
    described = {key: text for pool in pools for key, text in zip(pool["id"], pool["text"], strict=True)}
    pairs = rows(SMALL, "mewsli_x_pairs", "train", "qaa")
    in_source = set(pools[0]["id"])
    told = [(gold, text) for (gold,), text in zip(pairs["gold"], pairs["text"], strict=True) if gold in in_source]
    assert told
    assert all(described[gold] == text for gold, text in told)


def test_more_candidates_change_nothing_else() -> None:
    more = World(languages=4, train=60, validation=20, test=30, sentences=300, candidates=40)
    for name in ("lareqa", "mewsli_x", "xquad"):
        assert rows(SMALL, name, "test", "qab") == rows(more, name, "test", "qab")
    for name, extra in (("lareqa_candidates", 39), ("mewsli_x_candidates", 40)):  # whole passages of 3 sentences
        ids = []
        for code in LANGUAGES[:4]:
            few, many = rows(SMALL, name, "test", code), rows(more, name, "test", code)
            assert len(many["id"]) == size(more, name, "test", code)
            for column, values in few.items():
                assert many[column][: len(values)] == values
            ids += many["id"]
        assert len(ids) == len(set(ids)) == extra + sum(size(SMALL, name, "test", code) for code in LANGUAGES[:4])


# --- files ------------------------------------------------------------------------------------------------------------


@given(odd_texts, odd_texts, odd_texts)
@settings(max_examples=60, deadline=None)
def test_a_marked_mention_is_on_one_line(left: str, mention: str, right: str) -> None:
    found = marked(left + mention + right, len(left), len(left) + len(mention))
    assert len(found.splitlines()) <= 1
    assert found == found.strip()


def test_a_marked_mention_is_xtreme_rs() -> None:
    text = "The verdict came back for Smith, who stepped down."
    assert marked(text, 26, 31) == "Smith: The verdict came back for { Smith } , who stepped down."
    assert marked("a {b} c\nd", 8, 9) == "d: a (b) c { d }"


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two? Three!", ["One.", "Two?", "Three!"]),
        ('He said "Go." Then he went. 12 came.', ['He said "Go."', "Then he went.", "12 came."]),
        ("Dr. J. R. Smith met the U.S. Army in approx. 12 days. It rained.", None),
        ("It fell.[note 1] Nobody saw. e.g. This one", ["It fell.[note 1]", "Nobody saw. e.g. This one"]),
        ("  no end", ["no end"]),
        ("", []),
    ],
)
def test_sentences_end_where_they_end(text: str, sentences: list[str] | None) -> None:
    expected = (
        sentences if sentences is not None else ["Dr. J. R. Smith met the U.S. Army in approx. 12 days.", "It rained."]
    )
    assert [text[begin:end] for begin, end in breaks(text)] == expected


def place_xquad_r(root: Path, language: str, paragraphs: list[dict]) -> None:
    folder = root / "local" / "lareqa" / "xquad-r"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{language}.json").write_text(json.dumps({"data": [{"paragraphs": paragraphs}]}), encoding="utf-8")


def paragraph(sentences: list[str], *asked: tuple[str, int], gap: str = " ") -> dict:
    """A paragraph of XQuAD-R; each question is answered by the first characters of a sentence."""
    context, spans = "", []
    for text in sentences:
        context += gap if context else ""
        spans.append([len(context), len(context) + len(text)])
        context += text
    qas = [
        {"id": key, "question": f"{key}?", "answers": [{"text": sentences[at][:2], "answer_start": spans[at][0]}]}
        for key, at in asked
    ]
    return {"context": context, "sentence_breaks": spans, "sentences": sentences, "qas": qas}


def load(root: Path, name: str, language: str, split: str = "test") -> dict[str, list]:
    return catalogue.rows(catalogue.load_spec(name), split, language, DataSpec("hub", str(root)))[0]


def test_xquad_rs_own_files(tmp_path: Path) -> None:
    place_xquad_r(
        tmp_path, "en", [paragraph(["It is.", "It was.", "It is."], ("q1", 0), ("q2", 1)), paragraph(["x y"])]
    )
    place_xquad_r(tmp_path, "th", [paragraph(["ภาษาไทย", "ไม่เว้น"], ("q2", 1), ("q1", 0), gap="")])
    asked = load(tmp_path, "lareqa", "en")
    assert (asked["id"], asked["query"]) == (["q1", "q2"], ["q1?", "q2?"])
    # the same sentence twice in a paragraph is right twice; every language has one
    assert asked["gold"] == [["en_1_0", "en_1_2", "th_1_0"], ["en_1_1", "th_1_1"]]
    assert load(tmp_path, "lareqa", "th")["gold"] == [asked["gold"][1], asked["gold"][0]]
    pool = load(tmp_path, "lareqa_candidates", "th")
    assert pool == {"id": ["th_1_0", "th_1_1"], "text": ["ภาษาไทย", "ไม่เว้น"], "context": ["ภาษาไทยไม่เว้น"] * 2}
    assert load(tmp_path, "lareqa_candidates", "en")["id"] == ["en_1_0", "en_1_1", "en_1_2", "en_2_0"]
    data = DataSpec("hub", str(tmp_path))
    specs = [catalogue.load_spec(name) for name in ("lareqa", "lareqa_candidates")]
    assert [catalogue.languages(spec, "test", data) for spec in specs] == [("en", "th")] * 2
    assert [catalogue.expected_rows(spec, "test", "en", data) for spec in specs] == [2, 4]
    place(tmp_path, "rajpurkar/squad", "plain_text", "train", SQUAD)
    place(tmp_path, "rajpurkar/squad", "plain_text", "validation", SQUAD)
    options = ("+target=lareqa", "data=hub", f"data.root={tmp_path}", "languages=[en]", "model=xlmr_base")
    keys = [plan(cell_of(*options)).final]
    place_xquad_r(tmp_path, "th", [paragraph(["ภาษาไทย", "ไม่เว้น!"], ("q2", 1), ("q1", 0), gap="")])
    keys.append(plan(cell_of(*options)).final)
    assert keys[0].key != keys[1].key, "the sentences of every language are ranked, whichever are evaluated"
    assert keys[0].parent.key == keys[1].parent.key


def test_what_is_not_xquad_r_is_refused(tmp_path: Path) -> None:
    for root in (None, str(tmp_path)):
        with pytest.raises(StiltsError, match="put the files of xquad-r"):
            catalogue.rows(catalogue.load_spec("lareqa"), "test", "en", DataSpec("hub", root))
    plain = paragraph(["It is."], ("q1", 0))
    place_xquad_r(tmp_path, "en", [plain, plain])
    with pytest.raises(StiltsError, match=r"en.json, paragraph 2: the question 'q1' occurs more than once"):
        load(tmp_path, "lareqa", "en")
    del plain["sentence_breaks"]
    place_xquad_r(tmp_path, "en", [plain])
    with pytest.raises(StiltsError, match=r"en.json, paragraph 1: no 'sentence_breaks'; XQuAD-R has one"):
        load(tmp_path, "lareqa", "en")


def place(root: Path, repo: str, config: str, split: str, columns: dict) -> None:
    folder = root / repo / config
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), folder / f"{split}-00000-of-00001.parquet")


SQUAD = {
    "id": ["a", "b", "c", "d"],
    "title": ["t"] * 4,
    "context": ["It rains. Mr. Fox sleeps."] * 2 + ["北京。", "Gone."],
    "question": ["Who?", "What?", "谁?", "Where?"],
    "answers": pa.array(
        [
            {"text": ["Fox", "x"], "answer_start": [14, 0]},
            {"text": ["rains"], "answer_start": [99]},
            {"text": ["北京"], "answer_start": [0]},
            {"text": ["nowhere"], "answer_start": [0]},
        ],
        pa.struct({"text": pa.list_(pa.string()), "answer_start": pa.list_(pa.int32())}),
    ),
}


def test_squad_as_the_hub_has_it_becomes_pairs(tmp_path: Path) -> None:
    place(tmp_path, "rajpurkar/squad", "plain_text", "train", SQUAD)
    found = load(tmp_path, "squad_sentences", "en", "train")
    assert found["id"] == ["a", "b", "c"]  # d has no right candidate
    assert found["text"] == ["Mr. Fox sleeps.", "It rains.", "北京。"]
    assert found["gold"] == [["1_1"], ["1_0"], ["2_0"]]
    assert found["context"][0] == SQUAD["context"][0]


ENTITY = {
    "entity_id": "Q1",
    "title": "Smith",
    "description": "Smith is a man.\nHe  sings. More",
    "sentence_spans": [{"start": 0, "end": 15}, {"start": 16, "end": 26}],
    "description_language": "de",
    "description_url": "u",
}


def place_mewsli(root: Path, name: str, lines: list) -> None:
    folder = root / "local" / "mewsli_x"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def article(language: str, text: str, spans: list[tuple[int, int]], *mentions: tuple[str, int, int]) -> dict:
    return {
        "context": {
            "language": language,
            "text": text,
            "sentence_spans": [{"start": begin, "end": end} for begin, end in spans],
        },
        "mentions": [
            {"example_id": key, "entity_id": "Q1", "mention_span": {"text": text[a:b], "start": a, "end": b}}
            for key, a, b in mentions
        ],
    }


def test_mewsli_xs_own_files(tmp_path: Path) -> None:
    told = article("ar", "جملة. سميث هنا.", [(0, 5), (6, 15)], ("e1", 6, 10), ("e2", 3, 8))
    place_mewsli(tmp_path, "wikinews_mentions-test.jsonl", [told, article("en", "Smith.", [], ("e3", 0, 5))])
    place_mewsli(
        tmp_path, "candidate_set_entities.jsonl", [ENTITY, {**ENTITY, "entity_id": "Q2", "sentence_spans": []}]
    )
    found = load(tmp_path, "mewsli_x", "ar")
    assert found["id"] == ["e1", "e2"]
    assert found["query"][0] == "سميث: { سميث } هنا."
    assert found["query"][1] == marked(told["context"]["text"], 3, 8)  # across sentences: both
    assert found["gold"] == [["Q1"], ["Q1"]]
    pool = load(tmp_path, "mewsli_x_candidates", "mul")
    assert pool["id"] == ["Q1", "Q2"]
    assert pool["text"] == ["Smith is a man. He sings.", "Smith is a man. He sings. More"]
    pair = {"contextual_mention": {"context": told["context"], "mention": told["mentions"][0]}, "entity": ENTITY}
    for split in ("train", "dev"):
        place_mewsli(tmp_path, f"wikipedia_pairs-{split}.jsonl", [pair])
    trained = load(tmp_path, "mewsli_x_pairs", "en", "train")
    assert (trained["query"], trained["text"]) == (found["query"][:1], pool["text"][:1])
    spec, data = catalogue.load_spec("mewsli_x"), DataSpec("hub", str(tmp_path))
    assert catalogue.languages(spec, "test", data) == ("ar", "en")
    assert catalogue.expected_rows(spec, "test", "ar", data) == 2
    planned = plan(cell_of("+target=mewsli_x", "data=hub", f"data.root={tmp_path}", "model=xlmr_base"))
    assert planned.final.rows == {"ar": 2, "en": 1, "candidates": 2}
    told["context"]["text"] = ""
    place_mewsli(tmp_path, "wikinews_mentions-test.jsonl", [told])
    with pytest.raises(StiltsError, match=r"wikinews_mentions-test.jsonl line 1: the article has no text"):
        load(tmp_path, "mewsli_x", "ar")
    place_mewsli(tmp_path, "candidate_set_entities.jsonl", [ENTITY, {"entity_id": "Q2"}])
    with pytest.raises(StiltsError, match=r"candidate_set_entities.jsonl line 2: not in Mewsli-X's form"):
        load(tmp_path, "mewsli_x_candidates", "mul")


def test_the_hubs_copy_of_mewsli_x(tmp_path: Path) -> None:
    repo = "izhx/mewsli-x"
    place(tmp_path, repo, "de", "test", {"mention": ["Fuchs: { Fuchs }", "x"], "entity_id": ["Q1", "Q2"]})
    place(tmp_path, repo, "candidate_entities", "test", {"entity_id": ["Q1", "Q2"], "description": ["fox", "北京"]})
    place(tmp_path, repo, "wikipedia_pairs", "train", {"mention": ["a", "b", "c"], "entity": ["fox", "hen", "fox"]})
    assert load(tmp_path, "mewsli_x", "de")["gold"] == [["Q1"], ["Q2"]]
    assert load(tmp_path, "mewsli_x_candidates", "mul")["text"] == ["fox", "北京"]
    pairs = load(tmp_path, "mewsli_x_pairs", "en", "train")
    assert pairs["gold"] == [["0"], ["1"], ["0"]]  # equal descriptions are one candidate
    place(tmp_path, repo, "candidate_entities", "test", {"entity_id": ["Q1", "Q1"], "description": ["fox", "hen"]})
    with pytest.raises(StiltsError, match="1 ids that occur more than once, such as 'Q1'"):
        load(tmp_path, "mewsli_x_candidates", "mul")


# --- cells ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("target", "task"), [("lareqa", "lareqa"), ("mewsli_x", "mewslix")])
def test_a_cell_ends_with_rankings_that_are_scored_again(target: str, task: str, run_tiny, tmp_path, capsys) -> None:
    result = run_tiny(f"+target={target}", "recipe.target.selection=best", "recipe.target.eval_every=3")
    folder = run_tiny.output / "cells" / result["cell"]
    values = {row["language"]: row["value"] for row in result["rows"] if row["metric"] == "map_at_20"}
    assert set(values) == set(LANGUAGES[:3])
    count = result["candidates"]["count"]
    spec, data = catalogue.load_spec(f"{target}_candidates"), cell_of(f"+target={target}", *TINY).data
    pool = {key for code in values for key in catalogue.rows(spec, "test", code, data)[0]["id"]}
    assert len(pool) == count
    for code, value in values.items():
        rankings = json.loads((folder / "predictions" / task / f"test-{code}.json").read_text())
        gold = json.loads((folder / "labels" / task / f"test-{code}.json").read_text())
        assert rankings.keys() == gold.keys()
        assert len(gold) == 20
        assert all(len(ids) == len(set(ids)) == 20 and set(ids) <= pool for ids in rankings.values())
        assert all(set(ids) <= pool for ids in gold.values())
        assert map_at_20(rankings, gold)["map_at_20"] == pytest.approx(value, abs=1e-9)
    whole = {row["language"]: row["value"] for row in result["rows"] if row["metric"] == "map"}
    assert all(0 < value <= 100 for value in whole.values())
    assert {line["floor_name"] for line in result["comparison"]} <= {"tfidf", "chance"}
    assert f"Ranked: {count:,} candidates" in (folder / "table.md").read_text()
    output = tmp_path / "scores.json"
    command = ("--predictions", str(folder / "predictions"), "--labels", str(folder / "labels"))
    assert score.main([*command, "--benchmark", "xtreme-r", "--partial", "--output", str(output)]) == 0
    assert json.loads(output.read_text())[task]["map_at_20"] == pytest.approx(values)
    capsys.readouterr()
    (trained,) = (stage for stage in result["stages"] if stage["kind"] == "train")
    assert trained["info"]["selected"]["dev"] > 0
    from transformers import AutoModel, AutoTokenizer

    (saved,) = (run_tiny.output / "stages" / trained["key"] / "models").iterdir()
    model, info = AutoModel.from_pretrained(saved, output_loading_info=True)
    assert all("pooler" in name for name in info["missing_keys"])
    assert not info["unexpected_keys"]
    with torch.no_grad():
        hidden = model.eval()(**AutoTokenizer.from_pretrained(saved)("ga sa", return_tensors="pt")).last_hidden_state
    assert torch.isfinite(hidden).all()


def test_cells_share_the_training() -> None:
    plans = {
        options: plan(cell_of("+target=lareqa", *TINY, *options))
        for options in ((), ("languages=[qab]",), ("benchmark=xtreme-r",), ("++data.world.candidates=30",), ("seed=1",))
    }
    trained = {options: planned.final.parent.key for options, planned in plans.items()}
    first = trained[()]
    assert [key == first for key in trained.values()] == [True, True, True, True, False]
    one, other = (plans[options].final for options in ((), ("languages=[qab]",)))
    assert one.identity["settings"]["candidates"] == other.identity["settings"]["candidates"]
    assert one.rows["candidates"] == 3 * 3 * 20
    # XQuAD's training is another one, and so is Mewsli-X's
    others = {plan(cell_of(f"+target={name}", *TINY)).final.parent.key for name in ("xquad", "mewsli_x")}
    assert len({first, *others}) == 3


def test_settings_that_do_not_fit_are_refused() -> None:
    with pytest.raises(StiltsError, match=r"retrieval\.sweep=layer is not known.*did you mean 'layers'"):
        cell_of("+target=tatoeba", "retrieval.sweep=layer")
    with pytest.raises(StiltsError, match=r"target\.candidates=None does not fit target.head=ranking"):
        cell_of("+target=lareqa", "target.candidates=null")
    with pytest.raises(StiltsError, match="trained alone, not jointly"):
        cell_of("+intermediate=[mnli,qqp]", "intermediate.qqp.head=ranking")
    with pytest.raises(StiltsError, match="max_query_length=200 is more than the 128 tokens"):
        module(max_query_length=200)


@pytest.mark.parametrize("target", ["tatoeba", "bucc2018"])
def test_a_sweep_over_layers_is_every_single_layer(target: str, run_tiny, capsys) -> None:
    swept = run_tiny(f"+target={target}", "retrieval.sweep=layers", "retrieval.layer=1")
    folder = run_tiny.output / "cells" / swept["cell"]
    with open(folder / "layers.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["layer"] for line in lines] == ["0", "1", "2"] * 2
    assert "Mean of every layer of hidden_states: [0] " in capsys.readouterr().out
    for layer in range(3):
        alone = run_tiny(f"+target={target}", f"retrieval.layer={layer}")
        values = {line["language"]: line["value"] for line in alone["comparison"]}
        curve = {line["language"]: float(line["value"]) for line in lines if line["layer"] == str(layer)}
        assert curve == pytest.approx(values, abs=1e-9)
        if layer == 1:
            assert values == {line["language"]: line["value"] for line in swept["comparison"]}
            assert alone["rows"][0]["stage"] != swept["rows"][0]["stage"]

"""Synthetic LAReQA and Mewsli-X: every question and every mention has one right candidate."""

from __future__ import annotations

from stilts_xtreme.data.synthetic import LANGUAGES, World, rows, size

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

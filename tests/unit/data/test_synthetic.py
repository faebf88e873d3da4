"""The synthetic benchmark: every data set, parallel, disjoint and balanced, the same in every process."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import unicodedata
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from support.synthetic import MULTILINGUAL, OF_FORMAT, SMALL

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.schema import DataSpec
from stilts_xtreme.data import synthetic
from stilts_xtreme.data.catalogue import load_spec
from stilts_xtreme.data.sources import source_of
from stilts_xtreme.data.synthetic import LANGUAGES, World, corpus, labels, rivals, rows, size, splits, tasks
from stilts_xtreme.data.synthetic import vocabulary as v
from stilts_xtreme.data.synthetic.grammar import grammar
from stilts_xtreme.data.synthetic.knowledge import Teller
from stilts_xtreme.data.synthetic.languages import INVENTORY, conversions, lexicon
from stilts_xtreme.data.synthetic.matching import profile
from stilts_xtreme.data.synthetic.tasks import DATASETS
from stilts_xtreme.data.synthetic.tasks import _meanings as meanings
from stilts_xtreme.tasks import row_format_of

PROMISED = (
    "mnli snli anli qqp squad_v1 squad_v2 hellaswag cosmos_qa commonsense_qa ccg ud_tags xnli paws_x xcopa copa siqa "
    "udpos "
    "panx xquad mlqa tydiqa_goldp tatoeba bucc2018 squad_sentences lareqa lareqa_candidates mewsli_x mewsli_x_pairs "
    "mewsli_x_candidates"
)


# Whenever rows are meant to change, raise their Spec.version, or WORLD_VERSION if texts change with them, and put the
# new digests here.
GOLDEN = {
    "anli": "055089ca6f0b",
    "bucc2018": "26f085072f1e",
    "ccg": "547fdb60858c",
    "commonsense_qa": "513695a7e96d",
    "copa": "4e6b3f73e8e7",
    "cosmos_qa": "3a82462e6e1f",
    "hellaswag": "d591f3418492",
    "lareqa": "4d0f8f1384fb",
    "lareqa_candidates": "726067fbb4d1",
    "mewsli_x": "99cf489be4f7",
    "mewsli_x_candidates": "9b85f377defd",
    "mewsli_x_pairs": "4cad82dad17c",
    "mlqa": "1754c5f2bdc4",
    "mnli": "7f9b9825ec5d",
    "panx": "9dc62f18770f",
    "paws_x": "598a96aa482c",
    "qqp": "3ae3be858fb0",
    "siqa": "a4a48bfd3588",
    "snli": "5e2bba51719e",
    "squad_sentences": "1e88eb297211",
    "squad_v1": "f49fa2a166d5",
    "squad_v2": "efab36e17710",
    "tatoeba": "0b00b65ad505",
    "tydiqa_goldp": "b83c36fa14c5",
    "ud_tags": "2a78939ccded",
    "udpos": "d870e104b9cb",
    "xcopa": "b7fc1bf8baea",
    "xnli": "04a197cb97f7",
    "xquad": "de84f0d5fc86",
}


GOLDEN_VERSION = 3


def digest(dataset: str) -> str:
    parts = [
        rows(SMALL, dataset, split, code) for split, codes in splits(dataset).items() for code in (codes[0], codes[-1])
    ]
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()[:12]


def source_texts(dataset: str, columns: dict[str, list]) -> list[str]:
    form = DATASETS[dataset].format
    if form == "bitext":  # English is the same in every language's corpora
        return [text for text, side in zip(columns["text"], columns["side"], strict=True) if side == "foreign"]
    if form == "tagging":
        return [" ".join(tokens) for tokens in columns["tokens"]]
    if form == "choice":
        return [context or question for context, question in zip(columns["context"], columns["question"], strict=True)]
    return columns["query" if form == "ranking" else "context" if form == "qa" else "text_a"]


def test_every_promised_dataset_has_the_canonical_columns() -> None:
    assert set(PROMISED.split()) <= set(DATASETS)
    assert [code[2:] for code in LANGUAGES] == list("abcdefghijkl")
    assert set(synthetic.DESCRIPTIONS) == set(LANGUAGES)
    for name, spec in DATASETS.items():
        for split, codes in splits(name).items():
            columns = rows(SMALL, name, split, codes[0])
            assert tuple(columns) == row_format_of(spec.format).columns
            assert {len(values) for values in columns.values()} == {size(SMALL, name, split)}
            assert len(set(columns["id"])) == len(columns["id"])


@pytest.mark.parametrize("dataset", sorted(DATASETS))
def test_rows_are_what_this_version_has_always_made(dataset: str) -> None:
    assert synthetic.WORLD_VERSION == GOLDEN_VERSION
    assert digest(dataset) == GOLDEN[dataset], f"{dataset} changed: raise a version and renew the digests"


def test_only_rows_that_have_changed_alone_have_a_version_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def key(dataset: str) -> dict:
        return source_of(load_spec(dataset), DataSpec("synthetic")).identity("test", ["qaa"])

    before = key("udpos"), key("panx")
    spec = DATASETS["udpos"]
    monkeypatch.setitem(tasks.DATASETS, "udpos", replace(spec, version=spec.version + 1))
    assert key("udpos") != before[0]
    assert key("panx") == before[1]
    assert before[0]["rows_version"] == spec.version > 1
    monkeypatch.setitem(tasks.DATASETS, "xquad", replace(DATASETS["xquad"], version=3))
    assert synthetic.rows_version("lareqa") == 3, "it asks the questions of xquad"
    assert "rows_version" not in before[1]


def test_tagged_sentences_are_hard_to_tag_by_their_words() -> None:
    words = lexicon(0, "qaa").words
    lookalikes = {words[noun] for noun, _ in conversions(0)}
    tokens = rows(SMALL, "udpos", "test", "qaa")["tokens"]
    shares = [np.mean([form in lookalikes for form in row if form not in ".?"]) for row in tokens]
    assert min(shares) >= 0.4
    texts_of_all = rows(SMALL, "ud_tags", "validation", "qaa")["tokens"]
    assert np.mean([np.mean([form in lookalikes for form in row]) for row in texts_of_all]) < 0.4


def test_rows_that_are_kept_are_handed_out_anew() -> None:
    first = rows(SMALL, "mnli", "train", "qaa")
    kept = {name: list(values) for name, values in first.items()}
    for values in first.values():
        values.clear()
    del first["text_a"]
    assert rows(SMALL, "mnli", "train", "qaa") == kept


def test_another_process_with_another_hash_seed_makes_the_same_rows() -> None:
    code = (
        "import json; from stilts_xtreme.data import synthetic as s;"
        "w = s.World(languages=4, train=30, validation=20, test=20, sentences=200);"
        "print(json.dumps([s.rows(w, 'panx', 'test', 'qac'), s.rows(w, 'copa', 'train', 'qaa'), s.corpus(w, 'qad')]))"
    )
    outputs = [
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(filter(None, sys.path)), "PYTHONIOENCODING": "utf-8"},
        ).stdout
        for seed in ("1", "2")
    ]
    assert outputs[0] == outputs[1]
    assert len(outputs[0]) > 1000


def test_the_seed_changes_words_and_rows() -> None:
    other = World(seed=1, train=60, validation=40, test=40, sentences=600)
    assert rows(SMALL, "mnli", "train", "qaa")["text_a"] != rows(other, "mnli", "train", "qaa")["text_a"]


@pytest.mark.parametrize("dataset", MULTILINGUAL)
def test_languages_are_parallel(dataset: str) -> None:
    for split, codes in splits(dataset).items():
        if split == "train":
            continue
        found = [rows(SMALL, dataset, split, code) for code in codes]
        assert all(columns["id"] == found[0]["id"] for columns in found)
        if "label" in found[0]:
            assert all(columns["label"] == found[0]["label"] for columns in found)
        if "tags" in found[0] and dataset == "panx":
            spans = [[sum(tag % 2 for tag in row) for row in columns["tags"]] for columns in found]
            assert all(counts == spans[0] for counts in spans)
        if "answer_texts" in found[0]:
            counts = [[len(row) for row in columns["answer_texts"]] for columns in found]
            assert all(count == counts[0] for count in counts)
        texts = [set(source_texts(dataset, columns)) for columns in found]
        assert not any(a & b for i, a in enumerate(texts) for b in texts[i + 1 :] if dataset != "panx")


FEW = ("udpos", "panx", "tydiqa_goldp")


def test_few_shot_rows_are_each_languages_own() -> None:
    assert {name for name in DATASETS if len(splits(name).get("train", ())) > 1} == set(FEW)
    world = World(train=800, validation=20, test=20)
    for name in FEW:
        assert size(world, name, "train", "qaa") == 800
        assert size(world, name, "train", "qab") == 500
        one, other = (meanings(world, name, "train", code) for code in ("qab", "qac"))
        assert len(one) == len(rows(world, name, "train", "qab")["id"]) == 500
        source = set(source_texts(name, rows(world, name, "train", "qaa")))
        say = grammar(0, "qaa")
        for few in (one, other):  # said in the source language they belong to training too, and are others' rows
            told = [meaning.context if name == "tydiqa_goldp" else meaning for meaning in few]
            assert sum(say.text(text) in source for text in told) < 50
        assert sum(a == b for a, b in zip(one, other, strict=True)) < 5


def test_rivals_hold_the_answer_and_what_could_be_taken_for_it() -> None:
    for code in ("qaa", "qac", "qah"):
        columns, found = rows(SMALL, "xquad", "test", code), rivals(SMALL, "xquad", code)
        assert all(texts[0] in some for texts, some in zip(columns["answer_texts"], found, strict=True))
        assert all(text in context for context, some in zip(columns["context"], found, strict=True) for text in some)
        assert all(len(some) >= 2 for some in found)
    with pytest.raises(StiltsError, match="xnli asks no questions"):
        rivals(SMALL, "xnli", "qaa")


@pytest.mark.parametrize("dataset", ["mnli", "snli", "anli", "xnli", "qqp", "paws_x"])
def test_each_overlap_profile_has_all_labels_equally_often(dataset: str) -> None:
    seen: dict[object, Counter[int]] = {}
    # drawn directly: the split that a text belongs to is a matter of chance
    draw, spec = Teller(0, "test"), DATASETS[dataset]
    for _ in range(200 * len(spec.labels)):
        pair = spec.draw(draw)
        seen.setdefault(profile(0, pair), Counter())[pair[2]] += 1
    assert len(seen) > 10
    assert all(len(counts) == len(spec.labels) and len(set(counts.values())) == 1 for counts in seen.values())


def test_splits_share_no_source_text_even_across_datasets() -> None:
    for form in ("classification", "qa", "tagging", "choice"):
        seen: dict[str, set[str]] = {}
        for name in OF_FORMAT[form]:
            for split in splits(name):
                seen.setdefault(split, set()).update(source_texts(name, rows(SMALL, name, split, "qaa")))
        for first, second in (("train", "validation"), ("train", "test"), ("validation", "test")):
            assert not seen.get(first, set()) & seen.get(second, set())


@pytest.mark.parametrize("dataset", OF_FORMAT["qa"])
def test_answers_are_slices_in_every_language(dataset: str) -> None:
    for split, codes in splits(dataset).items():
        for code in codes:
            columns = rows(SMALL, dataset, split, code)
            for i, context in enumerate(columns["context"]):
                assert len(columns["answer_texts"][i]) == len(columns["answer_starts"][i])
                for text, start in zip(columns["answer_texts"][i], columns["answer_starts"][i], strict=True):
                    assert text
                    assert text == text.strip()
                    assert context[start : start + len(text)] == text
                    # A combining mark at either edge would belong to a letter outside the answer.
                    after = context[start + len(text) : start + len(text) + 1]
                    assert not unicodedata.category(text[0]).startswith("M")
                    assert not after or unicodedata.category(after) != "Mn"


def test_questions_are_asked_in_languages_with_spaces() -> None:
    spaced = {language.code for language in INVENTORY if language.spaces}
    for name in OF_FORMAT["qa"]:
        assert all(set(codes) <= spaced for codes in splits(name).values()), name
    assert set(splits("xquad")["test"]) == set(splits("tydiqa_goldp")["train"]) == spaced
    with pytest.raises(
        StiltsError, match="language=qad has no split 'test' of xquad; choose one of: qaa, qab, qac, qae"
    ):
        rows(SMALL, "xquad", "test", "qad")
    with pytest.raises(StiltsError, match="language=qad has no split 'test' of xquad"):
        rivals(SMALL, "xquad", "qad")


def test_neither_passages_nor_questions_have_one_order_alone() -> None:
    read = meanings(World(train=2000), "squad_v1", "train")
    asked = Counter(meaning.slot for meaning in read)
    first = Counter(meaning.slot for meaning in read if meaning.context[meaning.sentence].front == meaning.slot)
    for slot in ("patient", "place", "time"):
        assert 0.1 < first[slot] / asked[slot] < 0.6, slot
    moved = [meaning.question for meaning in read if meaning.question.front]
    assert 0.4 < len(moved) / len(read) < 0.8
    assert all(question.front != question.ask for question in moved), "the question word has its own place"
    assert {question.ask for question in moved} == set(asked)


def test_questions_use_words_that_the_unlabelled_text_has() -> None:
    told = {word for line in corpus(World(sentences=20_000), "qaa") for word in line.rstrip(".?").split()}
    text = " ".join(rows(SMALL, "xquad", "test", "qaa")["question"]).replace("?", "")
    names = {grammar(0, "qaa")._words[name] for name in v.NAMES}
    assert set(text.split()) <= told | names
    assert grammar(0, "qaa")._words["how_many"] not in told, "no encoder could know it in another language"


def test_a_third_of_squad_v2_has_no_answer_and_nothing_else_lacks_one() -> None:
    world = World(train=600, validation=20, test=20)
    empty = [not texts for texts in rows(world, "squad_v2", "train", "qaa")["answer_texts"]]
    assert 0.25 < np.mean(empty) < 0.42
    for name in set(OF_FORMAT["qa"]) - {"squad_v2"}:
        assert all(rows(SMALL, name, "validation", "qaa")["answer_texts"])


def test_questions_of_unanswerable_rows_name_no_sentence_of_the_context() -> None:
    world = World(train=1200, validation=20, test=20)
    columns = rows(world, "squad_v2", "train", "qaa")
    # With an answer nearly all words of the question stand in one sentence; without one, fewer do.
    best: dict[bool, list[int]] = {True: [], False: []}
    for context, question, texts in zip(columns["context"], columns["question"], columns["answer_texts"], strict=True):
        asked = question.rstrip("?").split()[1:]
        sentences = [set(sentence.split()) for sentence in context.rstrip(".").split(". ")]
        best[bool(texts)].append(min(sum(word not in sentence for word in asked) for sentence in sentences))
    assert np.mean(best[False]) > np.mean(best[True]) + 0.5


@pytest.mark.parametrize(
    "dataset", [name for name in OF_FORMAT["classification"] + OF_FORMAT["choice"] if "train" in splits(name)]
)
def test_labels_and_right_positions_are_balanced(dataset: str) -> None:
    world = World(train=10_000 if dataset == "copa" else 1500, validation=20, test=20)
    found = np.bincount(rows(world, dataset, "train", "qaa")["label"], minlength=len(labels(dataset)))
    share, spread = 1 / len(labels(dataset)), found / found.sum()
    # Four standard errors of a fair draw.
    assert np.abs(spread - share).max() < 4 * np.sqrt(share * (1 - share) / found.sum())


def test_choices_are_distinct_and_as_many_as_labels() -> None:
    for name in OF_FORMAT["choice"]:
        for code in splits(name)["validation"]:
            for choices in rows(SMALL, name, "validation", code)["choices"]:
                assert len(choices) == len(labels(name))
                assert len(set(choices)) == len(choices)


@pytest.mark.parametrize("dataset", OF_FORMAT["tagging"])
def test_tags_fit_tokens_and_are_known(dataset: str) -> None:
    for split, codes in splits(dataset).items():
        for code in codes:
            columns = rows(SMALL, dataset, split, code)
            for tokens, tags in zip(columns["tokens"], columns["tags"], strict=True):
                assert len(tokens) == len(tags) > 0
                assert all(token and not any(map(str.isspace, token)) for token in tokens)
                assert all(0 <= tag < len(labels(dataset)) for tag in tags)


def test_names_are_valid_iob2_and_ambiguous() -> None:
    types: dict[str, set[str]] = {}
    for code in LANGUAGES:
        columns = rows(SMALL, "panx", "test", code)
        for tokens, tags in zip(columns["tokens"], columns["tags"], strict=True):
            names = [labels("panx")[tag] for tag in tags]
            for before, tag in zip(["O", *names], names, strict=False):
                assert not tag.startswith("I-") or before[2:] == tag[2:]
            if code == "qaa":
                for token, tag in zip(tokens, names, strict=True):
                    types.setdefault(token, set()).add(tag[2:])
    assert sum(len(kinds - {""}) > 1 for kinds in types.values()) >= 5


def test_supertags_depend_on_the_arguments_of_a_verb() -> None:
    world = World(train=600, validation=20, test=20)
    columns, seen = rows(world, "ccg", "train", "qaa"), {}
    for tokens, tags in zip(columns["tokens"], columns["tags"], strict=True):
        for token, tag in zip(tokens, tags, strict=True):
            seen.setdefault(token, set()).add(labels("ccg")[tag])
    assert sum({r"S\NP", r"(S\NP)/NP"} <= tags for tags in seen.values()) >= 5


@pytest.mark.parametrize(
    ("option", "value"),
    [("languages", 1), ("languages", 99), ("train", 0), ("validation", -5), ("test", 10**9), ("sentences", "many")],
)
def test_options_outside_their_range_are_refused(option: str, value: object) -> None:
    with pytest.raises(StiltsError, match=rf"data\.world\.{option}={value} .* from \d+ to \d+"):
        World.from_mapping({option: value})


def test_what_does_not_exist_is_refused_with_the_choices() -> None:
    with pytest.raises(StiltsError, match="did you mean 'sentences'"):
        World.from_mapping({"sentence": 500})
    with pytest.raises(StiltsError, match="did you mean 'xnli'"):
        rows(SMALL, "xnl", "test", "qaa")
    with pytest.raises(StiltsError, match="split 'train' of xnli"):
        rows(SMALL, "xnli", "train", "qab")
    with pytest.raises(StiltsError, match="language=qah"):
        rows(World(languages=3), "xnli", "test", "qah")
    with pytest.raises(StiltsError, match="language=qaa has no split 'test' of tatoeba"):
        rows(SMALL, "tatoeba", "test", "qaa")
    with pytest.raises(StiltsError, match="split of mnli=test"):
        size(SMALL, "mnli", "test")

"""The synthetic benchmark: parallel, disjoint, balanced, and not solvable by counting words."""

from __future__ import annotations

import hashlib
import itertools
import json
import subprocess
import sys
import unicodedata
from collections import Counter

import numpy as np
import pytest

from stilts_xtreme.data import synthetic
from stilts_xtreme.data.schema import FORMATS
from stilts_xtreme.data.synthetic import LANGUAGES, World, corpus, labels, rows, size, splits
from stilts_xtreme.data.synthetic.tasks import DATASETS
from stilts_xtreme.errors import StiltsError

SMALL = World(languages=len(LANGUAGES), train=60, validation=40, test=40, sentences=600)
MULTILINGUAL = [name for name, spec in DATASETS.items() if spec.multilingual]
OF_FORMAT = {form: [name for name, spec in DATASETS.items() if spec.format == form] for form in FORMATS}
PROMISED = (
    "mnli snli anli qqp squad_v1 squad_v2 hellaswag cosmos_qa commonsense_qa ccg xnli paws_x xcopa copa siqa udpos "
    "panx xquad mlqa tydiqa_goldp tatoeba"
)

# Raise WORLD_VERSION and put the new digests here whenever rows are meant to change.
GOLDEN = {
    "anli": "c77c15f4f394",
    "ccg": "c449b6ddd32c",
    "commonsense_qa": "af84e055200b",
    "copa": "e048c5ecb604",
    "cosmos_qa": "d47571ce44d6",
    "hellaswag": "b7865d0d75e6",
    "mlqa": "bb91c7210fb9",
    "mnli": "16428a097dd5",
    "panx": "7dd957a68af1",
    "paws_x": "d535e9cc74b9",
    "qqp": "2680aa4cd2ca",
    "siqa": "8d73caa8b238",
    "snli": "3e7f2c2d59a5",
    "squad_v1": "15c6910f4f26",
    "squad_v2": "f595595611b3",
    "tatoeba": "139af2447ecc",
    "tydiqa_goldp": "18410a6afb28",
    "udpos": "46e952f9a48e",
    "xcopa": "eaf991b4e53e",
    "xnli": "8999237d2e14",
    "xquad": "1b26f5f44b44",
}
GOLDEN_VERSION = 1


def digest(dataset: str) -> str:
    parts = [
        rows(SMALL, dataset, split, code) for split, codes in splits(dataset).items() for code in (codes[0], codes[-1])
    ]
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()[:12]


def source_texts(dataset: str, columns: dict[str, list]) -> list[str]:
    form = DATASETS[dataset].format
    if form == "tagging":
        return [" ".join(tokens) for tokens in columns["tokens"]]
    if form == "choice":
        return [context or question for context, question in zip(columns["context"], columns["question"], strict=True)]
    return columns["context" if form == "qa" else "text_a"]


def test_every_promised_dataset_has_the_canonical_columns() -> None:
    assert set(PROMISED.split()) <= set(DATASETS)
    assert len(LANGUAGES) >= 8
    assert set(synthetic.DESCRIPTIONS) == set(LANGUAGES)
    for name, spec in DATASETS.items():
        for split, codes in splits(name).items():
            columns = rows(SMALL, name, split, codes[0])
            assert tuple(columns) == FORMATS[spec.format]
            assert {len(values) for values in columns.values()} == {size(SMALL, name, split)}
            assert len(set(columns["id"])) == len(columns["id"])


@pytest.mark.parametrize("dataset", sorted(DATASETS))
def test_rows_are_what_this_version_has_always_made(dataset: str) -> None:
    assert synthetic.WORLD_VERSION == GOLDEN_VERSION
    assert digest(dataset) == GOLDEN[dataset], f"{dataset} changed: raise WORLD_VERSION and renew the digests"


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
            assert codes == ("qaa",)
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
                if code == "qaa":
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


def test_some_words_are_noun_and_verb_in_every_language() -> None:
    world = World(languages=len(LANGUAGES), train=20, validation=20, test=600)
    noun, verb = labels("udpos").index("NOUN"), labels("udpos").index("VERB")
    for code in LANGUAGES:
        seen: dict[str, set[int]] = {}
        columns = rows(world, "udpos", "test", code)
        for tokens, tags in zip(columns["tokens"], columns["tags"], strict=True):
            for token, tag in zip(tokens, tags, strict=True):
                seen.setdefault(token, set()).add(tag)
        assert sum({noun, verb} <= tags for tags in seen.values()) >= 4, code


def test_supertags_depend_on_the_arguments_of_a_verb() -> None:
    world = World(train=600, validation=20, test=20)
    columns, seen = rows(world, "ccg", "train", "qaa"), {}
    for tokens, tags in zip(columns["tokens"], columns["tags"], strict=True):
        for token, tag in zip(tokens, tags, strict=True):
            seen.setdefault(token, set()).add(labels("ccg")[tag])
    assert sum({r"S\NP", r"(S\NP)/NP"} <= tags for tags in seen.values()) >= 5


def test_scripts_really_occur() -> None:
    text = {code: " ".join(corpus(SMALL, code)) for code in LANGUAGES}
    names = {code: Counter(unicodedata.name(char, "?").split()[0] for char in text[code]) for code in LANGUAGES}
    for code, script in zip(
        LANGUAGES[:8], ["LATIN", "CYRILLIC", "DEVANAGARI", "THAI", "ARABIC", "LATIN", "CJK", "GREEK"], strict=True
    ):
        assert names[code].most_common(1)[0][0] == script or names[code][script] > 0.5 * len(text[code]), code
    assert any(unicodedata.bidirectional(char) in ("R", "AL") for char in text["qae"])
    assert any(unicodedata.category(char) == "Mc" for char in text["qac"])
    assert "\u094d" in text["qac"]
    assert any(unicodedata.category(char) == "Mn" for char in text["qad"])
    assert " " not in "".join(rows(SMALL, "xnli", "test", "qag")["text_a"])
    # No spaces inside a sentence: the hypothesis is one sentence of several words.
    assert " " not in "".join(rows(SMALL, "xnli", "test", "qad")["text_b"])
    assert all(value == unicodedata.normalize("NFC", value) for value in text.values())


def test_resource_shares_show_in_the_corpus() -> None:
    world = World(sentences=3000)
    amount = {code: sum(map(len, corpus(world, code))) for code in ("qaa", "qae", "qaf", "qah")}
    assert amount["qaa"] > 5 * amount["qae"] > 10 * amount["qaf"] > 20 * amount["qah"] > 0


def overlap(first: str, second: str) -> list[float]:
    """Counts that need no knowledge of the words: how many are shared, how many pairs of neighbours are."""
    a, b = first.split(), second.split()
    pairs_a, pairs_b = set(itertools.pairwise(a)), set(itertools.pairwise(b))
    counts = [
        len(a),
        len(b),
        len(set(a) & set(b)),
        len(set(b) - set(a)),
        len(pairs_a & pairs_b),
        len(pairs_b - pairs_a),
    ]
    return [float(count) for count in counts]


def nearest_profile(train: np.ndarray, answers: np.ndarray, test: np.ndarray, classes: int) -> np.ndarray:
    """Predicts the most frequent label of the same counts in training, the strongest rule on counts alone."""
    table: dict[tuple[float, ...], np.ndarray] = {}
    # Lengths are left out of the key: with them most profiles of the test rows would not have been seen.
    for features, answer in zip(train, answers, strict=True):
        table.setdefault(tuple(features[2:]), np.zeros(classes))[answer] += 1
    return np.array([table.get(tuple(features[2:]), np.ones(classes)).argmax() for features in test])


@pytest.mark.parametrize(
    ("dataset", "bound"), [("mnli", 0.53), ("snli", 0.53), ("anli", 0.53), ("qqp", 0.57), ("paws_x", 0.64)]
)
def test_word_overlap_alone_does_not_give_the_label(dataset: str, bound: float) -> None:
    world = World(train=4000, validation=800, test=20)
    train, dev = rows(world, dataset, "train", "qaa"), rows(world, dataset, "validation", "qaa")
    features = [np.array([overlap(*pair) for pair in zip(c["text_a"], c["text_b"], strict=True)]) for c in (train, dev)]
    guess = nearest_profile(features[0], np.array(train["label"]), features[1], len(labels(dataset)))
    accuracy = float(np.mean(guess == np.array(dev["label"])))
    assert 1 / len(labels(dataset)) - 0.06 < accuracy < bound


@pytest.mark.parametrize(("dataset", "bound"), [("mnli", 0.39), ("snli", 0.39), ("qqp", 0.56), ("paws_x", 0.63)])
def test_the_second_sentence_alone_does_not_give_the_label(dataset: str, bound: float) -> None:
    world = World(train=4000, validation=800, test=20)
    train, dev = rows(world, dataset, "train", "qaa"), rows(world, dataset, "validation", "qaa")
    classes = len(labels(dataset))
    counts: dict[str, np.ndarray] = {}
    for text, label in zip(train["text_b"], train["label"], strict=True):
        for word in set(text.split()):
            counts.setdefault(word, np.full(classes, 5.0))[label] += 1
    odds = {word: np.log(count / count.sum()) for word, count in counts.items()}
    none = np.zeros(classes)
    guess = [sum((odds.get(word, none) for word in set(text.split())), none).argmax() for text in dev["text_b"]]
    assert np.mean(np.array(guess) == np.array(dev["label"])) < bound


def test_translations_share_no_word_with_the_source() -> None:
    for code in splits("tatoeba")["test"]:
        columns = rows(SMALL, "tatoeba", "test", code)
        assert columns["text_b"] == rows(SMALL, "tatoeba", "test", "qab")["text_b"]
        for other, source in zip(columns["text_a"], columns["text_b"], strict=True):
            assert not set(other.rstrip(".").split()) & set(source.rstrip(".").split())
            assert not any(map(str.isdigit, other))
        assert len(set(columns["text_b"])) == len(columns["text_b"])


def test_a_fifth_of_the_names_is_shared_between_latin_languages_and_no_other_word() -> None:
    def words(code: str) -> Counter[str]:
        columns = rows(World(languages=len(LANGUAGES), test=1500), "panx", "test", code)
        found: Counter[str] = Counter()
        for tokens, tags in zip(columns["tokens"], columns["tags"], strict=True):
            found.update(token for token, tag in zip(tokens, tags, strict=True) if tag)
        return found

    source, other, cyrillic = words("qaa"), words("qaf"), words("qab")
    assert 0.1 < len(set(source) & set(other)) / len(source) < 0.3
    assert not set(source) & set(cyrillic)


def test_knowledge_that_questions_need_is_in_the_corpus() -> None:
    text = "\n".join(corpus(World(), "qaa"))
    columns = rows(World(), "commonsense_qa", "validation", "qaa")
    stated = [
        f"{question} {choices[label]}" in text
        for question, choices, label in zip(columns["question"], columns["choices"], columns["label"], strict=True)
    ]
    assert np.mean(stated) > 0.8


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

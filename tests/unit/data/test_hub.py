"""Reading raw rows: every reader and refusal on generated files, and real rows where a folder of them is named."""

from __future__ import annotations

import logging
import os
import socket
from pathlib import Path

import datasets
import pytest
import yaml
from datasets import ClassLabel, Dataset, List, Value
from hypothesis import given
from hypothesis import strategies as st
from support.rows import INT, NLI, TEXT, pairs, qa, write

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.schema import DatasetSpec, DataSpec
from stilts_xtreme.data import catalogue, checks
from stilts_xtreme.data.checks import check
from stilts_xtreme.data.hub import layout
from stilts_xtreme.data.hub import rows as hub

ROOT = os.environ.get("STILTS_DATA_ROOT")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STILTS_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> list:
    """Every attempt to reach the network; each is refused."""
    attempts: list = []

    def refuse(*args: object, **kwargs: object) -> None:
        attempts.append(args)
        raise OSError("no network in this test")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    return attempts


def load(name: str, split: str, language: str, root: Path, bad_rows: str = "skip") -> dict:
    return catalogue.rows(catalogue.load_spec(name), split, language, DataSpec("hub", str(root), bad_rows))[0]


# --- readers ---------------------------------------------------------------------------------------------------------


def test_class_labels_are_mapped_by_name(tmp_path: Path) -> None:
    columns, features = pairs(names=["contradiction", "entailment", "neutral"])
    write(tmp_path, "facebook/xnli", "de", "test", columns, features)
    rows = load("xnli", "test", "de", tmp_path)
    assert [NLI[label] for label in rows["label"]] == ["contradiction", "entailment", "neutral"]
    assert rows["id"] == ["test-0", "test-1", "test-2"]
    assert rows["text_a"] == ["p0", "p1", "p2"]


def test_label_strings_are_mapped_by_name(tmp_path: Path) -> None:
    columns, features = pairs(labels=["neutral", "contradiction", "-1"])
    write(tmp_path, "nyu-mll/glue", "mnli", "validation_matched", columns, {**features, "label": TEXT})
    assert load("mnli", "validation", "en", tmp_path)["label"] == [1, 2]


def test_joined_splits_keep_their_order(tmp_path: Path) -> None:
    for round_ in (1, 2, 3):
        columns, features = pairs()
        columns["uid"] = [f"r{round_}-{i}" for i in range(3)]
        write(tmp_path, "facebook/anli", "plain_text", f"dev_r{round_}", columns, {**features, "uid": TEXT})
    assert load("anli", "validation", "en", tmp_path)["id"] == [f"r{r}-{i}" for r in (1, 2, 3) for i in range(3)]
    (tmp_path / "facebook/anli/plain_text/dev_r2-00000-of-00001.parquet").unlink()
    assert catalogue.languages(catalogue.load_spec("anli"), "validation", DataSpec("hub", str(tmp_path))) == ()


def test_choice_readers(tmp_path: Path) -> None:
    write(
        tmp_path, "Rowan/hellaswag", "default", "validation",
        {"ind": [7, 8], "ctx_a": ["a", "b"], "ctx_b": ["", "x"], "endings": [list("wxyz")] * 2, "label": ["3", "0"]},
        {"ind": INT, "ctx_a": TEXT, "ctx_b": TEXT, "endings": List(TEXT), "label": TEXT},
        path="data/validation-00000-of-00001.parquet",
    )  # fmt: skip
    rows = load("hellaswag", "validation", "en", tmp_path)
    assert rows["label"] == [3, 0]
    assert rows["choices"][0] == list("wxyz")
    assert (rows["context"], rows["question"], rows["id"]) == (["a", "b"], ["", "x"], ["7", "8"])

    path = tmp_path / "allenai/cosmos_qa/default/train/0000.parquet"  # refs/convert/parquet: no README
    path.parent.mkdir(parents=True)
    Dataset.from_dict(
        {"id": ["i"], "context": ["c"], "question": ["q"], **{f"answer{i}": [f"a{i}"] for i in range(4)}, "label": [2]}
    ).to_parquet(path)
    rows = load("cosmos_qa", "train", "en", tmp_path)
    assert rows["choices"] == [["a0", "a1", "a2", "a3"]]
    assert rows["label"] == [2]

    write(
        tmp_path, "lighteval/siqa", "default", "train",
        {"context": ["c"] * 2, "question": ["q"] * 2, "answerA": list("ad"), "answerB": list("be"),
         "answerC": list("cf"), "label": ["3", "1"]},
        dict.fromkeys(("context", "question", "answerA", "answerB", "answerC", "label"), TEXT),
        path="data/train-00000-of-00001.parquet",
    )  # fmt: skip
    rows = load("siqa", "train", "en", tmp_path)
    assert rows["label"] == [2, 0]
    assert rows["choices"] == [list("abc"), list("def")]


def test_commonsense_qa_looks_its_letter_up(tmp_path: Path) -> None:
    features = {"id": TEXT, "question": TEXT, "choices": {"label": List(TEXT), "text": List(TEXT)}, "answerKey": TEXT}
    choices = [{"label": list("EDCBA"), "text": list("vwxyz")}, {"label": list("ABCDE"), "text": list("vwxyz")}]
    columns = {"id": ["1", "2"], "question": ["q", "r"], "choices": choices, "answerKey": ["A", "B"]}
    write(tmp_path, "tau/commonsense_qa", "default", "train", columns, features)
    rows = load("commonsense_qa", "train", "en", tmp_path)
    assert rows["label"] == [4, 1]
    assert rows["context"] == ["", ""]
    assert rows["choices"][0] == list("vwxyz")
    write(tmp_path, "tau/commonsense_qa", "default", "validation", {**columns, "answerKey": ["F", "B"]}, features)
    with pytest.raises(StiltsError, match="has no label 'F'"):
        load("commonsense_qa", "validation", "en", tmp_path)


def test_copa_and_xcopa_agree(tmp_path: Path) -> None:
    columns = {"premise": ["p", "p"], "choice1": ["a", "c"], "choice2": ["b", "d"], "question": ["cause", "effect"]}
    texts = dict.fromkeys(columns, TEXT)
    label = ClassLabel(names=["choice2", "choice1"])  # another order than the catalogue's
    write(tmp_path, "aps/super_glue", "copa", "train", {**columns, "label": [0, 1]}, {**texts, "label": label})
    write(tmp_path, "cambridgeltl/xcopa", "et", "test", {**columns, "label": [1, 0]}, {**texts, "label": INT})
    copa, xcopa = load("copa", "train", "en", tmp_path), load("xcopa", "test", "et", tmp_path)
    assert copa["label"] == xcopa["label"] == [1, 0]
    assert copa["question"] == ["What was the cause?", "What happened as a result?"]
    write(tmp_path, "cambridgeltl/xcopa", "ht", "test", {**columns, "question": ["cause", "why"], "label": [1, 0]},
          {**texts, "label": INT})  # fmt: skip
    with pytest.raises(StiltsError, match="question 'why'"):
        load("xcopa", "test", "ht", tmp_path)


def test_squad_v2_keeps_unanswerable_questions(tmp_path: Path) -> None:
    columns, features = qa(["1", "2"], ["ab cd", "ab cd"], [["cd"], []], [[3], []])
    write(tmp_path, "rajpurkar/squad_v2", "squad_v2", "train", columns, features)
    rows = load("squad_v2", "train", "en", tmp_path)
    assert rows["answer_texts"] == [["cd"], []]
    assert rows["answer_starts"] == [[3], []]


def test_answers_as_a_list_of_structs(tmp_path: Path) -> None:
    columns, features = qa(["1"], ["ab cd"], [["cd"]], [[3]])
    columns["answers"] = [[{"text": "cd", "answer_start": 3}]]
    features["answers"] = List({"text": TEXT, "answer_start": INT})
    write(tmp_path, "google/xquad", "xquad.de", "validation", columns, features)
    assert load("xquad", "test", "de", tmp_path)["answer_starts"] == [[3]]


def tydiqa(root: Path, n: int = 400) -> None:
    ids = [f"{language}-{i}-0" for i in range(n) for language in ("english", "swahili")]
    contexts = [f"context {int(i.split('-')[1]) // 4} has words" for i in ids]
    columns, features = qa(ids, contexts, [["has"]] * len(ids), [[c.index("has")] for c in contexts])
    for split in ("train", "validation"):
        write(root, "google-research-datasets/tydiqa", "secondary_task", split, columns, features)


def test_tydiqa_is_told_apart_by_id_and_its_dev_rows_by_passage(tmp_path: Path) -> None:
    tydiqa(tmp_path)
    spec, data = catalogue.load_spec("tydiqa_goldp"), DataSpec("hub", str(tmp_path))
    assert catalogue.languages(spec, "test", data) == catalogue.languages(spec, "validation", data) == ("en", "sw")
    train, dev = load("tydiqa_goldp", "train", "en", tmp_path), load("tydiqa_goldp", "validation", "en", tmp_path)
    assert all(i.startswith("english-") for i in train["id"] + dev["id"])
    assert sorted(train["id"] + dev["id"]) == sorted(f"english-{i}-0" for i in range(400))
    assert not set(train["context"]) & set(dev["context"])
    assert 0.02 < len(dev["id"]) / 400 < 0.25
    assert dev == load("tydiqa_goldp", "validation", "en", tmp_path)
    assert len(load("tydiqa_goldp", "test", "sw", tmp_path)["id"]) == 400
    assert catalogue.expected_rows(spec, "test", "sw", data) == 400
    assert catalogue.expected_rows(spec, "train", "en", data) == 360
    with pytest.raises(StiltsError, match="holds no rows in 'fi'"):
        load("tydiqa_goldp", "test", "fi", tmp_path)


def test_tatoeba_strips_and_tagging_maps(tmp_path: Path) -> None:
    columns = {"sentence1": [" ein\n"], "sentence2": ["one "]}
    write(tmp_path, "mteb/tatoeba-bitext-mining", "deu-eng", "test", columns, {"sentence1": TEXT, "sentence2": TEXT})
    rows = load("tatoeba", "test", "de", tmp_path)
    assert (rows["text_a"], rows["text_b"]) == (["ein"], ["one"])

    features = {"tokens": List(TEXT), "pos_tags": List(ClassLabel(names=["X", "_", "NOUN"]))}
    write(tmp_path, "google/xtreme", "udpos.German", "test", {"tokens": [["a", "b"]], "pos_tags": [[2, 0]]}, features)
    words = {"tokens": [["a", "b"]], "pos_tags": [["NOUN", "X"]]}
    write(tmp_path, "izhx/xtreme-r-udpos", "lt", "test", words, {"tokens": List(TEXT), "pos_tags": List(TEXT)})
    labels = catalogue.load_spec("udpos").labels
    for language in ("de", "lt"):
        assert [labels[tag] for tag in load("udpos", "test", language, tmp_path)["tags"][0]] == ["NOUN", "X"]
    write(tmp_path, "google/xtreme", "udpos.French", "test", {"tokens": [["a", "b"]], "pos_tags": [[1, 0]]}, features)
    with pytest.raises(StiltsError, match="has no label '_'"):
        load("udpos", "test", "fr", tmp_path)


def test_the_readme_names_labels_that_a_file_does_not(tmp_path: Path) -> None:
    columns, features = pairs()
    write(tmp_path, "facebook/xnli", "de", "test", columns, {**features, "label": Value("int64")})
    with pytest.raises(StiltsError, match="has no label '0'"):
        load("xnli", "test", "de", tmp_path)
    readme = tmp_path / "facebook/xnli/README.md"
    head = yaml.safe_load(readme.read_text().split("---")[1])
    types = [{"name": "premise", "dtype": "string"}, {"name": "hypothesis", "dtype": "string"}]
    types.append({"name": "label", "dtype": {"class_label": {"names": {"0": "neutral", "1": NLI[0], "2": NLI[2]}}}})
    head["dataset_info"] = [{"config_name": "de", "features": types, "splits": [{"name": "test", "num_examples": 9}]}]
    spec, data = catalogue.load_spec("xnli"), DataSpec("hub", str(tmp_path))
    before = catalogue.identity(spec, "test", ["de"], data)
    readme.write_text(f"---\n{yaml.safe_dump(head)}---\n")
    assert load("xnli", "test", "de", tmp_path)["label"] == [1, 0, 2]
    assert catalogue.identity(spec, "test", ["de"], data) != before


def ccg(root: Path, inventory: bool) -> None:
    folder = root / "local" / "ccg"
    folder.mkdir(parents=True)
    (folder / "mine.train.tsv").write_text("a b\tN N/N\n\nc\tN\n")
    (folder / "mine.val.tsv").write_text("b\tN/N\n")
    if inventory:
        (folder / "mine.tags_to_id.json").write_text('{"N/N": 1, "N": 0}')


@pytest.mark.parametrize("inventory", [True, False])
def test_ccg_reads_the_users_own_files(tmp_path: Path, inventory: bool) -> None:
    ccg(tmp_path, inventory)
    data, spec = DataSpec("hub", str(tmp_path)), catalogue.load_spec("ccg")
    assert catalogue.labels(spec, data) == ("N", "N/N")
    rows = load("ccg", "train", "en", tmp_path)
    assert rows["tokens"] == [["a", "b"], ["c"]]
    assert rows["tags"] == [[0, 1], [0]]
    assert catalogue.expected_rows(spec, "train", "en", data) == 2
    assert catalogue.corpus(spec, data) == {"en": ["a b", "c", "b"]}
    before = catalogue.identity(spec, "train", ["en"], data)
    (tmp_path / "local/ccg/mine.tags_to_id.json").write_text('{"N/N": 0, "N": 1}')
    assert catalogue.identity(spec, "train", ["en"], data) != before
    (tmp_path / "local/ccg/mine.val.tsv").write_text("no tab here\n")
    with pytest.raises(StiltsError, match=r"mine.val.tsv, line 1: expected tokens<TAB>supertags"):
        load("ccg", "validation", "en", tmp_path)


def test_the_substitute_for_ccg_is_a_task_of_its_own(tmp_path: Path) -> None:
    def sentence(*words: tuple[str, str, str, int, str]) -> str:
        return (
            "".join(f"{n}\t{form}\t_\t{tag}\t_\t_\t{head}\t{rel}\t_\t_\n" for n, form, tag, head, rel in words) + "\n"
        )

    folder = tmp_path / "local/ud/UD_English-EWT"
    folder.mkdir(parents=True)
    cannot = "1-2\tcannot\t" + "\t".join("_" * 8) + "\n"
    train = sentence(("1", "Dogs", "NOUN", 2, "nsubj"), ("2", "bark", "VERB", 0, "root"))
    train += cannot + sentence(
        ("1", "can", "AUX", 3, "aux"), ("2", "not", "PART", 3, "advmod"), ("3", "go", "VERB", 0, "root")
    )
    (folder / "en_ewt-ud-train.conllu").write_text(train)
    (folder / "en_ewt-ud-dev.conllu").write_text(
        sentence(("1", "who", "PRON", 2, "nsubj:pass"), ("2", "x", "X", 0, "root"))
    )
    (folder / "de_gsd-ud-train.conllu").write_text(sentence(("1", "ja", "INTJ", 0, "root")))
    spec, data = catalogue.load_spec("ud_tags"), DataSpec("hub", str(tmp_path))
    names = catalogue.labels(spec, data)
    assert names == ("AUX:aux", "NOUN:nsubj", "PRON:nsubj:pass", "VERB:root", "X:root"), (
        "of train and dev, English alone"
    )
    rows = load("ud_tags", "train", "en", tmp_path)
    assert rows["tokens"] == [["Dogs", "bark"], ["cannot", "go"]]
    assert [[names[tag] for tag in tags] for tags in rows["tags"]] == [
        ["NOUN:nsubj", "VERB:root"],
        ["AUX:aux", "VERB:root"],
    ]
    before = catalogue.identity(spec, "train", ["en"], data)
    dev = folder / "en_ewt-ud-dev.conllu"
    dev.write_text(dev.read_text().replace("nsubj:pass", "expl"))
    assert catalogue.identity(spec, "train", ["en"], data) != before, "the labels of the head are others"
    with pytest.raises(StiltsError, match=r"en_<treebank>-ud-train.conllu"):
        catalogue.labels(spec, DataSpec("hub", None))


def test_slices_and_corpus_of_text(tmp_path: Path) -> None:
    texts = [f"article {i}" for i in range(10)] + ["", " "]
    write(tmp_path, "wikimedia/wikipedia", "20231101.de", "train", {"text": texts}, {"text": TEXT})
    spec, data = catalogue.load_spec("wikipedia_mlm"), DataSpec("hub", str(tmp_path))
    assert catalogue.corpus(spec, data) == {"de": texts[:10]}
    short = catalogue.spec_from_mapping({"name": "w", "format": "text", "id": spec.id, "config": spec.config,
                                         "splits": {"train": "train[:4]"}, "columns": {"text": "text"},
                                         "languages": ["de"]})  # fmt: skip
    assert catalogue.rows(short, "train", "de", data)[0]["text"] == texts[:4]
    assert catalogue.expected_rows(short, "train", "de", data) == 4


# --- refusals --------------------------------------------------------------------------------------------------------


def test_what_a_root_lacks_is_named(tmp_path: Path) -> None:
    with pytest.raises(StiltsError, match="is not a folder"):
        load("xnli", "test", "de", tmp_path / "nowhere")
    columns, features = pairs()
    write(tmp_path, "facebook/xnly", "de", "test", columns, features)
    with pytest.raises(StiltsError, match=r"has no folder 'facebook/xnli' \(did you mean 'facebook/xnly'\?\)"):
        load("xnli", "test", "de", tmp_path)
    write(tmp_path, "facebook/xnli", "de", "test", columns, features)
    with pytest.raises(StiltsError, match=r"has no configuration 'fr'.*it holds: de"):
        load("xnli", "test", "fr", tmp_path)
    with pytest.raises(StiltsError, match=r"has no split 'validation'.*it holds: test"):
        load("xnli", "validation", "de", tmp_path)
    with pytest.raises(StiltsError, match="language of xnli=xx"):
        load("xnli", "test", "xx", tmp_path)
    with pytest.raises(StiltsError, match="xcopa has no train split; it has: validation, test"):
        load("xcopa", "train", "et", tmp_path)
    with pytest.raises(StiltsError, match=r"LDC2005T13.*FOLDER/local/ccg.*ud_tags, a free substitute"):
        load("ccg", "train", "en", tmp_path)
    (tmp_path / "facebook/xnli/de/test-00000-of-00001.parquet").write_bytes(b"not parquet")
    with pytest.raises(StiltsError, match="cannot be read as parquet"):
        load("xnli", "test", "de", tmp_path)


def test_a_script_is_never_run(tmp_path: Path) -> None:
    folder = tmp_path / "facebook" / "xnli"
    folder.mkdir(parents=True)
    (folder / "xnli.py").write_text("raise SystemExit")
    with pytest.raises(StiltsError, match="holds a loading script"):
        load("xnli", "test", "de", tmp_path)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"label": ([0.0, 1.0, 2.0], Value("float32"))}, "'label' holds float32; expected label or string or integer"),
        ({"premise": ([[1], [2], [3]], List(INT))}, "'premise' holds list of integer; expected string"),
        ({"label": (["neutral", "nutral", "neutral"], TEXT)}, r"has no label 'nutral' \(did you mean 'neutral'"),
        ({"hypothesis": None}, r"no column 'hypothesis' \(did you mean 'hypotheses'\?\); it holds"),
    ],
)
def test_columns_of_another_type_are_refused(tmp_path: Path, change: dict, sentence: str) -> None:
    columns, features = pairs()
    for name, value in change.items():
        if value is None:
            columns["hypotheses"], features["hypotheses"] = columns.pop(name), features.pop(name)
        else:
            columns[name], features[name] = value
    write(tmp_path, "facebook/xnli", "de", "test", columns, features)
    with pytest.raises(StiltsError, match=sentence) as caught:
        load("xnli", "test", "de", tmp_path)
    assert "'facebook/xnli', configuration 'de', split 'test' in data.root" in str(caught.value)


def test_tokens_must_be_lists(tmp_path: Path) -> None:
    features = {"tokens": TEXT, "ner_tags": List(ClassLabel(names=["O"]))}
    write(tmp_path, "unimelb-nlp/wikiann", "de", "test", {"tokens": ["a b"], "ner_tags": [[0, 0]]}, features)
    with pytest.raises(StiltsError, match="'tokens' holds string; expected list of string"):
        load("panx", "test", "de", tmp_path)


def test_a_root_with_an_odd_name_is_read(tmp_path: Path) -> None:
    columns, features = pairs()
    root = tmp_path / "rows [1] *ä"
    write(root, "facebook/xnli", "de", "test", columns, features)
    assert load("xnli", "test", "de", root)["label"] == [0, 1, 2]


def test_a_folder_is_read_without_network(tmp_path: Path, wire: list) -> None:
    columns, features = pairs()
    write(tmp_path, "facebook/xnli", "de", "test", columns, features)
    assert load("xnli", "test", "de", tmp_path)["label"] == [0, 1, 2]
    assert wire == []


def test_without_network_the_hub_is_refused_at_once(wire: list) -> None:
    with pytest.raises(StiltsError, match=r"There is no network for 'facebook/xnli'.*data.root=FOLDER"):
        catalogue.rows(catalogue.load_spec("xnli"), "test", "de", DataSpec("hub"))
    assert 1 <= len(wire) <= 2, "it is not tried again and again, which takes half a minute"


def test_the_hub_is_asked_for_the_pinned_rows(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked: dict = {}

    def fake(path: str, name: str, **options: object) -> Dataset:
        asked.update(options, path=path, name=name)
        return Dataset.from_dict({"sentence1": ["ein"], "sentence2": ["one"]})

    monkeypatch.setattr(datasets, "load_dataset", fake)
    monkeypatch.setattr(hub, "_reachable", lambda repo, revision: True)
    spec = catalogue.load_spec("tatoeba")
    with caplog.at_level(logging.WARNING):
        rows, report = catalogue.rows(spec, "test", "de", DataSpec("hub"))
    assert rows["text_a"] == ["ein"]
    assert report.n_kept == 1
    assert (asked["path"], asked["name"], asked["split"]) == (spec.id, "deu-eng", "test")
    assert asked["revision"] == spec.revision
    assert "trust_remote_code" not in asked
    assert "1 rows read, 1000 declared" in caplog.text


def test_what_the_hub_answers_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = catalogue.load_spec("xnli")

    class Info:
        siblings = (type("File", (), {"rfilename": "xnli.py"}),)

    monkeypatch.setattr("huggingface_hub.HfApi.dataset_info", lambda *args, **kwargs: Info())
    with pytest.raises(StiltsError, match=r"'facebook/xnli' holds a loading script \(xnli.py\)"):
        catalogue.rows(spec, "test", "de", DataSpec("hub"))
    Info.siblings = ()

    def broken(*args: object, **kwargs: object) -> None:
        raise ValueError("BuilderConfig 'de' not found.\nAvailable: x")

    monkeypatch.setattr(datasets, "load_dataset", broken)
    monkeypatch.setattr(hub, "_reached", set())
    with pytest.raises(
        StiltsError, match=r"'facebook/xnli' cannot be read from the hub: BuilderConfig 'de' not found."
    ):
        catalogue.rows(spec, "test", "de", DataSpec("hub"))


# --- checks ----------------------------------------------------------------------------------------------------------

QA = DatasetSpec("toy", "qa")
PAIR = DatasetSpec("toy", "classification", labels=("a", "b"), columns={"text_a": "a", "text_b": "b"}, blind=("test",))
TAGS = DatasetSpec("toy", "tagging", labels=("a", "b"))
CHOICE = DatasetSpec("toy", "choice", labels=("a", "b"))
odd = st.text(st.sampled_from("abสวัสดีمرحبا你好🙂👩‍👧é́ \n"), max_size=12)


def question(context: str, texts: list, starts: list, row: str = "1") -> dict:
    return {"id": [row], "context": [context], "question": ["q"], "answer_texts": [texts], "answer_starts": [starts]}


@given(odd, odd.filter(str.strip), odd, st.integers(0, 5))
def test_stripped_contexts_are_repaired(before: str, answer: str, after: str, shift: int) -> None:
    context = before + answer + after
    rows, report = check(question(context, [answer], [len(before) + shift]), QA, "train", "refuse")
    start = rows["answer_starts"][0][0]
    assert context[start : start + len(answer)] == answer
    at = len(before) + shift
    assert (checks.MOVED in report.problems) == (context[at : at + len(answer)] != answer)


def test_the_shift_of_the_passage_beats_the_nearest_place() -> None:
    context = "in 1990 and in 1991 and in 1990 again"
    columns = {"id": ["1", "2"], "context": [context] * 2, "question": ["q"] * 2}
    columns |= {"answer_texts": [["1991"], ["1990"]], "answer_starts": [[15 + 13], [3 + 13]]}
    rows, report = check(columns, QA, "test", "skip")
    assert rows["answer_starts"] == [[15], [3]]
    assert report.problems[checks.MOVED] == (2, ("1", "2"))
    alone, _ = check(question(context, ["1990"], [25]), QA, "test", "skip")
    assert alone["answer_starts"] == [[27]]


def test_answers_that_are_nowhere() -> None:
    columns = {name: values * 2 for name, values in question("ab", ["zz"], [0]).items()}
    columns |= {"id": ["1", "2"], "answer_texts": [["zz"], ["zz", "b"]], "answer_starts": [[0], [0, 1]]}
    train, report = check(columns, QA, "train", "skip")
    assert train["id"] == ["2"]
    assert train["answer_texts"] == [["b"]]
    assert train["answer_starts"] == [[1]]
    assert report.n_read == 2
    assert report.n_kept == 1
    kept, _ = check(columns, QA, "test", "skip")
    assert kept["answer_texts"] == [["zz"], ["zz", "b"]]
    assert kept["answer_starts"] == [[-1], [-1, 1]]
    with pytest.raises(StiltsError, match=r"data.bad_rows=refuse: toy/test: 2 of 2 rows kept.*no answer found: 1"):
        check(columns, QA, "test", "refuse")
    assert columns["answer_starts"] == [[0], [0, 1]]  # what came in is not changed


def test_ids_of_qa_evaluation_are_unique() -> None:
    columns = {name: values * 2 for name, values in question("ab", ["b"], [1], "7").items()}
    with pytest.raises(StiltsError, match="such as '7'"):
        check(columns, QA, "test", "skip")
    _, report = check(columns, QA, "train", "skip")
    assert report.problems["duplicate id"] == (2, ("7", "7"))
    assert report.n_kept == 2


def classified(labels: list, texts: list | None = None) -> dict:
    n = len(labels)
    return {"id": [str(i) for i in range(n)], "text_a": texts or ["x"] * n, "text_b": ["y"] * n, "label": labels}


def test_labels_that_are_missing_or_out_of_range() -> None:
    columns, report = check(classified([0, -1, 2, None, 1, -5]), PAIR, "train", "skip", language="de")
    assert columns["id"] == ["0", "4"]
    assert columns["label"] == [0, 1]
    assert report.problems == {"no label": (2, ("1", "3")), "label out of range": (2, ("2", "5"))}
    assert str(report) == "toy/train/de: 2 of 6 rows kept; label out of range: 2 (2, 5); no label: 2 (1, 3)"
    with pytest.raises(StiltsError, match="refuse: toy/train: 2 of 6"):
        check(classified([0, -1, 2, None, 1, -5]), PAIR, "train", "refuse")
    with pytest.raises(StiltsError, match="toy/validation is blind, never scored: none of its 2 rows"):
        check(classified([-1, None]), PAIR, "validation", "skip")
    with pytest.raises(StiltsError, match="No row can be used"):
        check(classified([-1, -1]), PAIR, "train", "skip")
    with pytest.raises(StiltsError, match="'test' of toy is blind, never scored: its labels"):
        check(classified([0, 1]), PAIR, "test", "skip")
    with pytest.raises(StiltsError, match=r"data.bad_rows=skp.*did you mean 'skip'"):
        check(classified([0]), PAIR, "train", "skp")


@given(st.lists(odd, min_size=1, max_size=8))
def test_empty_texts_are_dropped_from_train_alone(texts: list[str]) -> None:
    empty = [i for i, text in enumerate(texts) if not text.strip()]
    columns = classified([0] * (len(texts) + 1), [*texts, "full"])
    train, report = check(columns, PAIR, "train", "skip")
    assert train["text_a"] == [text for text in [*texts, "full"] if text.strip()]
    assert report.problems.get("empty text", (0,))[0] == len(empty)
    assert check(columns, PAIR, "validation", "skip")[0] == columns


def test_tags_and_choices() -> None:
    columns = {"id": list("01234"), "tokens": [["x", "y"]] * 5, "tags": [[0, 1], [0], [-1, -1], [0, 2], [0, -1]]}
    kept, report = check(columns, TAGS, "validation", "skip")
    assert kept["id"] == ["0"]
    assert report.problems["tokens and tags of different length"] == (1, ("1",))
    assert report.problems["no label"] == (1, ("2",))
    assert report.problems["label out of range"] == (2, ("3", "4"))
    columns = {"id": list("0123"), "context": ["c", "", "c", "c"], "question": [""] * 4, "label": [0] * 4}
    columns["choices"] = [["a", "b"], ["a", "b"], ["a", ""], ["a"]]
    kept, report = check(columns, CHOICE, "train", "skip")
    assert kept["id"] == ["0"]
    assert report.problems == {"empty text": (2, ("1", "2")), "wrong number of choices": (1, ("3",))}


# --- real rows -------------------------------------------------------------------------------------------------------


@pytest.mark.real
@pytest.mark.skipif(not ROOT, reason="STILTS_DATA_ROOT names no folder of real rows")
@pytest.mark.parametrize("name", catalogue.names())
def test_real_rows(name: str, wire: list) -> None:
    spec, data, seen = catalogue.load_spec(name), DataSpec("hub", ROOT), 0
    own = {"ccg": "ccg", "ud_tags": "ud/en"}.get(name, "")
    size = len(catalogue.labels(spec, data)) if (Path(str(ROOT)) / "local" / own).is_dir() or not own else 0
    for split in ("train", "validation", "test"):
        for language in catalogue.languages(spec, split, data):
            try:
                columns, report = catalogue.rows(spec, split, language, data)
            except StiltsError as error:
                if "blind" not in str(error):
                    raise
                continue
            seen += 1
            assert len({len(values) for values in columns.values()}) == 1
            assert report.n_kept == len(columns["id"])
            if not own and (not spec.dev or split == "test"):  # a user's own files have any number of rows
                assert report.n_read == catalogue.expected_rows(spec, split, language, data)
            for label in columns.get("label", []):
                assert 0 <= label < size
            for tokens, tags in zip(columns.get("tokens", []), columns.get("tags", []), strict=True):
                assert len(tokens) == len(tags)
                assert all(0 <= tag < size for tag in tags)
            for choices in columns.get("choices", []):
                assert len(choices) == size
            if spec.format == "qa":
                triples = zip(columns["context"], columns["answer_texts"], columns["answer_starts"], strict=True)
                for context, texts, starts in triples:
                    assert all(context[s : s + len(t)] == t for t, s in zip(texts, starts, strict=True))
                assert len(set(columns["id"])) == len(columns["id"])
    assert wire == []
    if not seen:
        pytest.skip("no rows of it there")


@pytest.mark.real
@pytest.mark.skipif(not ROOT, reason="STILTS_DATA_ROOT names no folder of real rows")
@pytest.mark.parametrize(
    ("name", "split", "language"),
    [("xnli", "test", "de"), ("siqa", "train", "en"), ("tatoeba", "test", "fr"), ("udpos", "test", "lt")],
)
def test_the_files_are_those_that_the_library_would_read(name: str, split: str, language: str, tmp_path: Path) -> None:
    spec = catalogue.load_spec(name)
    if language not in catalogue.languages(spec, split, DataSpec("hub", ROOT)):
        pytest.skip("no rows of it there")
    source = layout.source(spec, language)
    with hub._offline():
        theirs = datasets.load_dataset(f"{ROOT}/{source.id}", source.config, split=split, cache_dir=str(tmp_path))
    ours = hub.read(spec, split, language, ROOT, spec.labels)
    assert len(theirs) == len(ours["id"])
    for canonical, raw in spec.columns.items():
        if canonical in ("text_a", "tokens", "context"):
            strip = (lambda t: t.strip()) if name == "tatoeba" else (lambda t: t)
            assert [strip(value) for value in theirs[raw]] == ours[canonical]

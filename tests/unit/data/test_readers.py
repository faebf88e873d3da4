"""Readers: raw rows as the hub has them become the canonical columns of each format."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from datasets import ClassLabel, Dataset, List, Value
from support.loading import load
from support.rows import INT, NLI, TEXT, pairs, qa, write

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.schema import DataSpec
from stilts_xtreme.data import catalogue
from stilts_xtreme.data.sources import source_of

pytestmark = pytest.mark.usefixtures("cache")


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
    assert source_of(catalogue.load_spec("anli"), DataSpec("hub", str(tmp_path))).languages("validation") == ()


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
    assert source_of(spec, data).languages("test") == source_of(spec, data).languages("validation") == ("en", "sw")
    train, dev = load("tydiqa_goldp", "train", "en", tmp_path), load("tydiqa_goldp", "validation", "en", tmp_path)
    assert all(i.startswith("english-") for i in train["id"] + dev["id"])
    assert sorted(train["id"] + dev["id"]) == sorted(f"english-{i}-0" for i in range(400))
    assert not set(train["context"]) & set(dev["context"])
    assert 0.02 < len(dev["id"]) / 400 < 0.25
    assert dev == load("tydiqa_goldp", "validation", "en", tmp_path)
    assert len(load("tydiqa_goldp", "test", "sw", tmp_path)["id"]) == 400
    assert source_of(spec, data).count("test", "sw") == 400
    assert source_of(spec, data).count("train", "en") == 360
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
    before = source_of(spec, data).identity("test", ["de"])
    readme.write_text(f"---\n{yaml.safe_dump(head)}---\n")
    assert load("xnli", "test", "de", tmp_path)["label"] == [1, 0, 2]
    assert source_of(spec, data).identity("test", ["de"]) != before


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
    assert source_of(spec, data).labels() == ("N", "N/N")
    rows = load("ccg", "train", "en", tmp_path)
    assert rows["tokens"] == [["a", "b"], ["c"]]
    assert rows["tags"] == [[0, 1], [0]]
    assert source_of(spec, data).count("train", "en") == 2
    assert source_of(spec, data).corpus() == {"en": ["a b", "c", "b"]}
    before = source_of(spec, data).identity("train", ["en"])
    (tmp_path / "local/ccg/mine.tags_to_id.json").write_text('{"N/N": 0, "N": 1}')
    assert source_of(spec, data).identity("train", ["en"]) != before
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
    names = source_of(spec, data).labels()
    assert names == ("AUX:aux", "NOUN:nsubj", "PRON:nsubj:pass", "VERB:root", "X:root"), (
        "of train and dev, English alone"
    )
    rows = load("ud_tags", "train", "en", tmp_path)
    assert rows["tokens"] == [["Dogs", "bark"], ["cannot", "go"]]
    assert [[names[tag] for tag in tags] for tags in rows["tags"]] == [
        ["NOUN:nsubj", "VERB:root"],
        ["AUX:aux", "VERB:root"],
    ]
    before = source_of(spec, data).identity("train", ["en"])
    dev = folder / "en_ewt-ud-dev.conllu"
    dev.write_text(dev.read_text().replace("nsubj:pass", "expl"))
    assert source_of(spec, data).identity("train", ["en"]) != before, "the labels of the head are others"
    with pytest.raises(StiltsError, match=r"en_<treebank>-ud-train.conllu"):
        source_of(spec, DataSpec("hub", None)).labels()


def test_slices_and_corpus_of_text(tmp_path: Path) -> None:
    texts = [f"article {i}" for i in range(10)] + ["", " "]
    write(tmp_path, "wikimedia/wikipedia", "20231101.de", "train", {"text": texts}, {"text": TEXT})
    spec, data = catalogue.load_spec("wikipedia_mlm"), DataSpec("hub", str(tmp_path))
    assert source_of(spec, data).corpus() == {"de": texts[:10]}
    short = catalogue.spec_from_mapping({"name": "w", "format": "text", "id": spec.id, "config": spec.config,
                                         "splits": {"train": "train[:4]"}, "columns": {"text": "text"},
                                         "languages": ["de"]})  # fmt: skip
    assert source_of(short, data).rows("train", "de")[0]["text"] == texts[:4]
    assert source_of(short, data).count("train", "de") == 4

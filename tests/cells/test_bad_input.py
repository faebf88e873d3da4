"""Bad input: whatever is wrong with a file, its refusal names the file, the line and what to do; and known traps."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import datasets
import pytest
from datasets import Dataset, Value
from support.rows import NLI, TEXT, ZUM, line, pairs, qa, squad, tsv, write
from support.scoring import make_folder
from support.scoring import run as score

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.schema import DataSpec
from stilts_xtreme.data import catalogue
from stilts_xtreme.data.hub import rows as hub
from stilts_xtreme.data.sources import source_of
from stilts_xtreme.report.cell import notes

Place = Callable[[Path], None]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")


def local(name: str, text: str) -> Place:
    """Puts a file of the user's below ``FOLDER/local``."""

    def place(root: Path) -> None:
        path = root / "local" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    return place


def both(*places: Place) -> Place:
    def place(root: Path) -> None:
        for each in places:
            each(root)

    return place


def parquet(repo: str, config: str, split: str, made: tuple[dict, dict]) -> Place:
    def place(root: Path) -> None:
        write(root, repo, config, split, *made)

    return place


def spread(text: str) -> str:
    """JSON with every value on a line of its own."""
    return json.dumps(json.loads(text), ensure_ascii=False, indent=1)


def bucc(end: str, text: str) -> Place:
    return local(f"bucc2018/de-en/de-en.training.{end}", text)


BUCC = both(bucc("de", "\nd1\teins\n\nd2\tzwei\n"), bucc("en", "e1\tone\ne2\tx\n"), bucc("gold", "d1\te1\n"))
TAGS = local("ccg/my.tags_to_id.json", '{"N": 0}')
XNLI = "language|gold_label|binary1|binary2|parse1|parse2|sentence1|sentence2|promptID"
STRANGE = ({**pairs()[0], "label": ["neutral", "x", "x"]}, {**pairs()[1], "label": TEXT})
SKIP = "mend them, or leave them out with data.bad_rows=skip"


@pytest.mark.parametrize(
    ("place", "dataset", "option", "split", "language", "text"),
    [
        # mismatched counts
        (local("ccg/my.val.tsv", "a\tN\n\na b\tN\n"), "ccg", {}, "validation", "en",
         rf"tokens and tags of different length: 1 \(val-1; the first: .*my.val.tsv line 3\); {SKIP}"),
        (both(local("tatoeba/tatoeba.deu-eng.deu", "a\nb\n"), local("tatoeba/tatoeba.deu-eng.eng", "a\nb\nc\n")),
         "tatoeba", {"reader": "original"}, "test", "de", r"deu has 2 lines .* has 3: line 3 is alone; .*bring both"),
        # unknown tags and labels
        (both(TAGS, local("ccg/my.val.tsv", "a\tN\nb c\tN NP\n")), "ccg", {}, "validation", "en",
         r"no label 'NP'.*; mend .*my.val.tsv line 2, or say what it stands for in dataset.ccg.label_values"),
        (local("ud/de_x-ud-test.conllu", ZUM + "\n# two\n" + line("1", "a", "NOUNS", "0") + "\n\n"), "udpos",
         {"reader": "conllu"}, "test", "de", r"did you mean 'NOUN'.*mend the sentence in .*conllu from line 10 on"),
        (local("panx/de/test", "de:a\tO\n\nde:b\tO\nde:c\tB-PERS\n"), "panx", {"reader": "original"}, "test", "de",
         r"did you mean 'B-PER'.*; mend .*panx/de/test line 3, or"),
        (local("paws_x/de/test_2k.tsv", "h\n1\ta\tb\t1\n2\ta\tb\t2\n"), "paws_x", {"reader": "original"}, "test", "de",
         r"no label '2'.*; mend .*test_2k.tsv line 3, or"),
        (local("xnli/xnli.test.tsv", tsv(XNLI, "en|x|||||A|B|1", "de|neutrl|||||A|B|1")), "xnli",
         {"reader": "original"}, "test", "de", r"did you mean 'neutral'.*; mend .*xnli.test.tsv line 3, or"),
        (parquet("facebook/xnli", "de", "test", STRANGE),
         "xnli", {}, "test", "de", r"no label 'x'.*; mend .*test-00000-of-00001.parquet row 2, or"),
        # a span outside its context
        (parquet("rajpurkar/squad", "plain_text", "train", qa(["1", "2"], ["ab", "ab"], [["b"], ["zz"]], [[1], [0]])),
         "squad_v1", {}, "train", "en", rf"no answer found: 1 \(2; the first: .*train-00000.* row 2\); {SKIP}"),
        (local("mlqa/test-context-de-question-de.json", spread(squad(("1", "ab", "?", "b"), ("2", "ab", "?", "zz")))),
         "mlqa", {"reader": "original"}, "test", "de", rf"no answer found: 1 \(2; .*-de.json line 26\); {SKIP}"),
        # ids twice
        (parquet("google/xquad", "xquad.de", "validation", qa(["1", "2", "1"], ["ab"] * 3, [["b"]] * 3, [[1]] * 3)),
         "xquad", {}, "test", "de", r"such as '1' \(again: .*validation-00000.* row 3\); keep one row of each"),
        (local("xquad/xquad.de.json", spread(squad(("1", "ab", "?", "b"), ("1", "ab", "?", "b")))),
         "xquad", {"reader": "original"}, "test", "de", r"xquad.de.json line 26: 1 ids occur .*'1'; keep one question"),
        (both(BUCC, bucc("de", "\nd1\teins\n\nd1\tzwei\n")), "bucc2018", {}, "test", "de",
         r"training.de line 4: the id 'd1' occurs more than once; take the file as it came"),
        (both(BUCC, bucc("gold", "d1\te1\n\nd3\te1\n")), "bucc2018", {}, "test", "de",
         r"training.gold line 3: the pair d3 e1 names a sentence that its corpus lacks; bring the three"),
        # a language without a file
        (local("xquad/xquad.ar.json", squad(("1", "ab", "?", "b"))), "xquad", {"reader": "original"}, "test", "de",
         r"no xquad.de.json of xquad/test below FOLDER/local/xquad; bring it"),
    ],
)  # fmt: skip
def test_rows_name_file_line_and_remedy(
    place: Place, dataset: str, option: dict, split: str, language: str, text: str, tmp_path: Path
) -> None:
    place(tmp_path)
    spec = replace(catalogue.load_spec(dataset), **option)
    with pytest.raises(StiltsError, match=text) as caught:
        source_of(spec, DataSpec("hub", str(tmp_path), "refuse")).rows(split, language)
    assert "\n" not in str(caught.value)


def test_a_label_can_be_told(tmp_path: Path) -> None:
    """The remedy that refusals name is one."""
    local("panx/de/test", "de:a\tO\nde:c\tB-PERS\n")(tmp_path)
    spec = replace(catalogue.load_spec("panx"), reader="original", label_values={"B-PERS": "B-PER"})
    rows, _ = source_of(spec, DataSpec("hub", str(tmp_path))).rows("test", "de")
    assert [spec.labels[tag] for tag in rows["tags"][0]] == ["O", "B-PER"]


def test_of_joined_splits_the_right_file_is_named(tmp_path: Path) -> None:
    for round_ in (1, 2, 3):
        columns, features = pairs()
        columns["uid"] = [f"r{round_}-{i}" for i in range(3)]
        columns["label"] = [0, 5 if round_ == 2 else 1, 2]
        features |= {"uid": TEXT, "label": Value("int64")}
        write(tmp_path, "facebook/anli", "plain_text", f"dev_r{round_}", columns, features)
    spec = replace(catalogue.load_spec("anli"), label_values={"0": NLI[0], "1": NLI[1], "2": NLI[2]})
    with pytest.raises(StiltsError, match=r"no label '5'.*mend .*dev_r2-00000-of-00001.parquet row 2"):
        source_of(spec, DataSpec("hub", str(tmp_path))).rows("validation", "en")


# --- prediction files -------------------------------------------------------------------------------------------------


@pytest.fixture
def xtreme(tmp_path: Path) -> Path:
    make_folder(tmp_path, "xtreme")
    return tmp_path


@pytest.mark.parametrize(
    ("task", "language", "edit", "text"),
    [
        ("xnli", "sw", lambda t: t + "\nneutral", "sw.tsv: 10 lines for 9 rows; line 10 is one too many: bring one"),
        ("panx", "th", lambda t: t + "O\n\n", "13 sentences in the file for 12 sentences; bring one block of lines"),
        ("udpos", "yo", lambda t: "NOUN\n" + t, "test-yo.tsv line 1: sentence 1 has"),
        ("mlqa", "ar", lambda t: spread(t)[:-2] + ',\n "q1": "x"\n}', "ar.json line 11: 1 keys occur .*'q1'; keep one"),
        ("bucc2018", "de", lambda t: t + "\nx", "is not two ids with a tab between them"),
    ],
)  # fmt: skip
def test_predictions_name_file_line_and_remedy(
    xtreme: Path, capsys: pytest.CaptureFixture, task: str, language: str, edit: Callable[[str], str], text: str
) -> None:
    path = next((xtreme / "predictions" / task).glob(f"test-{language}.*"))
    path.write_text(edit(path.read_text()))
    assert score(xtreme) == 1
    error = capsys.readouterr().err
    with pytest.raises(StiltsError, match=text):
        raise StiltsError(error)
    assert f"{task}/test-{language}." in error
    assert len(error.strip().splitlines()) == 1


def test_labels_that_a_task_does_not_know_are_named_and_wrong(xtreme: Path, capsys: pytest.CaptureFixture) -> None:
    """The official script counts them as wrong without a word."""
    labels = xtreme / "predictions" / "xnli" / "test-sw.tsv"
    lines = labels.read_text().splitlines()
    labels.write_text("\n".join([*lines[:4], "neutrl", "1", *lines[6:]]))
    tags = xtreme / "predictions" / "udpos" / "test-yo.tsv"
    blocks = tags.read_text().split("\n\n")
    first = blocks[0].split("\n")
    tags.write_text("\n\n".join([blocks[0], "\n".join(["NOUNS", *blocks[1].split("\n")[1:]]), *blocks[2:]]))
    assert score(xtreme) == 0
    said = capsys.readouterr().out
    assert f"xnli/sw: {labels} line 5: the label=neutrl is not known (did you mean 'neutral'?); choose one of:" in said
    assert "2 such lines count as wrong, mend them." in said
    assert f"udpos/yo: {tags} line {len(first) + 2}: the label=NOUNS is not known (did you mean 'NOUN'?)" in said
    assert said.count("count as wrong") == 2


# --- traps of the data sets that have no test of their own elsewhere --------------------------------------------------


def test_snli_without_a_gold_label_is_left_out_and_counted(tmp_path: Path) -> None:
    columns, features = pairs(5, labels=[0, -1, 2, -1, 1])
    for split in ("train", "validation"):
        write(tmp_path, "stanfordnlp/snli", "plain_text", split, columns, features)
        rows, report = source_of(catalogue.load_spec("snli"), DataSpec("hub", str(tmp_path))).rows(split, "en")
        assert rows["label"] == [0, 2, 1]
        assert report.problems == {"no label": (2, (f"{split}-1", f"{split}-3"))}


def test_google_xtremes_paws_x_which_lost_rows_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    columns = {"sentence1": ["a"] * 1961, "sentence2": ["b"] * 1961, "label": ["0", "1"] * 980 + ["0"]}
    write(tmp_path, "google/xtreme", "PAWS-X.es", "validation", columns, dict.fromkeys(columns, TEXT))
    own = catalogue.load_spec("paws_x")
    theirs = replace(own, id="google/xtreme", config="PAWS-X.{lang}")
    with pytest.raises(StiltsError, match="has no column 'id'"):
        source_of(theirs, DataSpec("hub", str(tmp_path))).rows("validation", "es")
    theirs = replace(theirs, columns={name: raw for name, raw in own.columns.items() if name != "id"})
    monkeypatch.setattr(hub, "_reachable", lambda repo, revision: True)
    monkeypatch.setattr(datasets, "load_dataset", lambda *args, **options: Dataset.from_dict(columns))
    rows, _ = source_of(theirs, DataSpec("hub")).rows("validation", "es")
    assert len(rows["label"]) == 1961
    assert "paws_x/validation/es: 1961 rows read, 2000 declared." in caplog.text


def test_part_of_speech_of_mixed_treebanks_is_said_beside_the_scores(tmp_path: Path) -> None:
    spec = catalogue.load_spec("udpos")
    assert "el, de, zh, fr and ru hold rows of related or older languages" in catalogue.caveat(spec)
    assert catalogue.caveat(replace(spec, reader="conllu")) == "", "made as XTREME makes it"
    base = {"missing_languages": [], "collapsed": [], "comparison": [], "substitutes": {}}
    assert notes({**base, "caveat": catalogue.caveat(spec)}) == [catalogue.caveat(spec)]

"""Targets beyond XTREME-R, from small files laid out as the hub has them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from support.cells import cell_of
from support.loading import load
from support.rows import INT, TEXT, pairs, write

from stilts_xtreme.cell.plan import plan
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.schema import DataSpec
from stilts_xtreme.data import catalogue
from stilts_xtreme.data.sources import source_of

SPLITS = {"train": "train", "validation": "dev", "test": "test"}
HEADER = "index_id\tcategory\ttext\n"


def sib(root: Path, language: str, text: str, split: str = "test") -> Path:
    """A file of SIB-200 with its entry in the README."""
    folder = root / "Davlan" / "sib200"
    path = folder / "data" / language / f"{SPLITS[split]}.tsv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
    there = {(place.parent.name, place.stem) for place in folder.glob("data/*/*.tsv")}
    configs = [
        {
            "config_name": config,
            "data_files": [
                {"split": name, "path": f"data/{config}/{stem}.tsv"}
                for name, stem in SPLITS.items()
                if (config, stem) in there
            ],
        }
        for config in sorted({config for config, _ in there})
    ]
    (folder / "README.md").write_text(f"---\n{yaml.safe_dump({'configs': configs})}---\n")
    return path


def test_sib200_has_no_quotes_and_goes_by_the_project_s_codes(tmp_path: Path) -> None:
    lines = ('7\tsports\t"He won, she said.', "8\thealth\tA '' \"b\" c", "9\tscience/technology\tNA")
    sib(tmp_path, "deu_Latn", HEADER + "".join(f"{line}\r\n" for line in lines))
    sib(tmp_path, "ace_Arab", f"{HEADER}{lines[0]}\n")
    rows = load("sib200", "test", "de", tmp_path)
    spec = catalogue.load_spec("sib200")
    assert rows["text_a"] == ['"He won, she said.', "A '' \"b\" c", "NA"]
    assert [spec.labels[label] for label in rows["label"]] == ["sports", "health", "science/technology"]
    assert (rows["id"], rows["text_b"]) == (["7", "8", "9"], ["", "", ""])
    source = source_of(spec, DataSpec("hub", str(tmp_path)))
    assert source.languages("test") == ("ace_Arab", "de")
    assert source.count("test", "de") == 3, "a plan counts without reading"
    with pytest.raises(StiltsError, match="language of sib200=deu_Latn is not known"):
        load("sib200", "test", "deu_Latn", tmp_path)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("7\tsports", r"test.tsv line 3: 2 fields with tabs between them, and line 1 names 3 columns"),
        ("7\tsports\ta\tb", r"test.tsv line 3: 4 fields"),
        ("7\tSports\ta", r"no label 'Sports' \(did you mean 'sports'\?\).*mend .*test.tsv line 3"),
    ],
)
def test_sib200_names_the_line_of_a_fault(tmp_path: Path, line: str, words: str) -> None:
    sib(tmp_path, "eng_Latn", f"{HEADER}1\ttravel\tWe went.\n{line}\n")
    with pytest.raises(StiltsError, match=words):
        load("sib200", "test", "en", tmp_path)


def test_a_row_without_a_topic_is_left_out(tmp_path: Path) -> None:
    sib(tmp_path, "eng_Latn", f"{HEADER}1\ttravel\tWe went.\n2\t\tWe came.\n", "train")
    assert load("sib200", "train", "en", tmp_path)["id"] == ["1"]


def test_sib200_has_each_language_of_flores_once() -> None:
    spec = catalogue.load_spec("sib200")
    assert (len(spec.languages), len(set(spec.codes.values())), spec.languages[0]) == (205, 205, "en")
    # a language that other data sets have goes by the same code, so that languages=[en,de] means the same in all
    others = ("xnli", "panx", "udpos", "tatoeba", "tydiqa_goldp", "xquad", "paws_x")
    known = {language for name in others for language in catalogue.load_spec(name).languages}
    assert known - set(spec.languages) == {"qu"}, "FLORES has Ayacucho Quechua, WikiANN the macrolanguage"


def test_americas_nli_has_numbers_for_labels_and_no_english(tmp_path: Path) -> None:
    columns, features = pairs(labels=[2, 0, 1])
    columns["language"] = ["aym"] * 3
    write(tmp_path, "nala-cub/americas_nli", "aym", "test", columns,
          {**features, "label": INT, "language": TEXT})  # fmt: skip
    assert load("americas_nli", "test", "ay", tmp_path)["label"] == [2, 0, 1]
    source = source_of(catalogue.load_spec("americas_nli"), DataSpec("hub", str(tmp_path)))
    assert (source.languages("test"), source.languages("train"), source.source_language) == (("ay",), (), "en")
    columns["label"] = [2, 3, 1]
    write(tmp_path, "nala-cub/americas_nli", "bzd", "test", columns,
          {**features, "label": INT, "language": TEXT})  # fmt: skip
    with pytest.raises(StiltsError, match=r"no label '3'.*it holds: entailment, neutral, contradiction"):
        load("americas_nli", "test", "bzd", tmp_path)


@pytest.mark.parametrize("recipe", ["mini", "phang2020", "small", "xtreme"])
def test_americas_nli_shares_the_training_of_xnli(recipe: str) -> None:
    one, other = (
        plan(
            cell_of(f"+target={name}", "data=hub", "data.root=null", "model=xlmr_base", f"recipe={recipe}")
        ).final.chain()
        for name in ("xnli", "americas_nli")
    )
    assert [stage.key for stage in one][:-1] == [stage.key for stage in other][:-1]
    assert one[-1].key != other[-1].key


PLACES = ("local/masakhaner2", "github/masakhane-io/masakhane-ner/MasakhaNER2.0/data")
TAGGED = "Rais O\r\nWilliam B-PER\r\nRuto I-PER\r\n\r\n\r\nJumatatu\tB-DATE\r\n. O"


def masakhaner(root: Path, place: str, language: str, text: str, split: str = "test") -> None:
    path = root / place / language / f"{SPLITS[split]}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())


@pytest.mark.parametrize("place", PLACES)
def test_masakhaner_is_read_from_files_of_its_repository(tmp_path: Path, place: str) -> None:
    masakhaner(tmp_path, place, "swa", TAGGED)
    masakhaner(tmp_path, place, "hau", "Abuja B-LOC\n", "train")
    rows = load("masakhaner2", "test", "sw", tmp_path)
    assert rows["tokens"] == [["Rais", "William", "Ruto"], ["Jumatatu", "."]]
    assert rows["tags"] == [[0, 1, 2], [7, 0]]
    source = source_of(catalogue.load_spec("masakhaner2"), DataSpec("hub", str(tmp_path)))
    assert (source.languages("test"), source.languages("train"), source.count("test", "sw")) == (("sw",), ("ha",), 2)
    with pytest.raises(StiltsError, match=rf"There is no .*{place}/swa/train.txt of masakhaner2/train/sw"):
        load("masakhaner2", "train", "sw", tmp_path)


def test_masakhaner_is_read_from_the_hub_s_layout_without_them(tmp_path: Path) -> None:
    columns = {"tokens": [["Abuja"]], "ner_tags": [["B-LOC"]]}
    write(tmp_path, "masakhane/masakhaner2", "hau", "test", columns, None)
    assert load("masakhaner2", "test", "ha", tmp_path)["tags"] == [[5]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Rais O\nRuto\n", r"swa/test.txt line 2: 1 fields with spaces between them, and a token and its tag"),
        ("Rais O\nRuto Rais O\n", r"swa/test.txt line 2: 3 fields"),
        ("Rais O\n\nRuto B-MISC\n", r"no label 'B-MISC'.*mend the sentence in .*swa/test.txt from line 3 on"),
    ],
)
def test_masakhaner_names_the_line_of_a_fault(tmp_path: Path, text: str, words: str) -> None:
    masakhaner(tmp_path, PLACES[0], "swa", text)
    with pytest.raises(StiltsError, match=words):
        load("masakhaner2", "test", "sw", tmp_path)


def test_the_language_that_is_trained_on_is_an_option(tmp_path: Path) -> None:
    for language in ("swa", "hau"):
        for split in SPLITS:
            masakhaner(tmp_path, PLACES[0], language, f"{language} O\nAbuja B-LOC\n", split)
    common = ("+target=masakhaner2", "data=hub", f"data.root={tmp_path}", "model=xlmr_base")
    swahili, named, hausa = (
        plan(cell_of(*common, *more)).final.chain()
        for more in ((), ("dataset.masakhaner2.source_language=sw",), ("dataset.masakhaner2.source_language=ha",))
    )
    assert [stage.key for stage in swahili] == [stage.key for stage in named]
    assert not {stage.key for stage in swahili} & {stage.key for stage in hausa}
    with pytest.raises(StiltsError, match=r"dataset.masakhaner2.source_language=swa is not known"):
        plan(cell_of(*common, "dataset.masakhaner2.source_language=swa"))


def test_belebele_and_race_have_four_choices(tmp_path: Path) -> None:
    columns = {
        "link": ["x", "x"], "question_number": [1, 2], "flores_passage": ["p", "p"], "question": ["q", "r"],
        **{f"mc_answer{at}": [f"a{at}", f"b{at}"] for at in (1, 2, 3, 4)}, "correct_answer_num": ["2", "4"],
    }  # fmt: skip
    write(tmp_path, "facebook/belebele", "zho_Hant", "test", columns, None)
    rows = load("belebele", "test", "zh_Hant", tmp_path)
    assert (rows["label"], rows["choices"][0]) == ([1, 3], ["a1", "a2", "a3", "a4"])
    race = {"example_id": ["1"], "article": ["p"], "question": ["q"], "options": [list("wxyz")], "answer": ["C"]}
    write(tmp_path, "ehovy/race", "all", "train", race, None)
    assert load("race", "train", "en", tmp_path)["label"] == [2]
    cell = cell_of("+target=belebele", "data=hub", "data.root=null", "model=xlmr_base")
    assert cell.target is not None
    assert len(plan(cell).final.chain()[-1].languages) == 122


def test_a_code_of_flores_is_told_ours(tmp_path: Path) -> None:
    sib(tmp_path, "eng_Latn", f"{HEADER}1\ttravel\tWe went.\n")
    with pytest.raises(StiltsError, match="languages=deu_Latn is not known: it is FLORES-200's code; write de"):
        plan(cell_of("+target=sib200", "data=hub", f"data.root={tmp_path}", "languages=[deu_Latn]"))

"""Targets beyond XTREME-R, from small files laid out as the hub has them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from support.loading import load

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

"""Part of speech from CoNLL-U files as XTREME makes it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.cells import cell_of
from support.rows import ZUM, line

from stilts_xtreme.cell.plan import plan
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.schema import DataSpec
from stilts_xtreme.data import catalogue
from stilts_xtreme.data.readers import conllu
from stilts_xtreme.data.readers.conllu import Word, fuse
from stilts_xtreme.data.sources import source_of

SPEC = replace(catalogue.load_spec("udpos"), reader="conllu")
ROOT = os.environ.get("STILTS_DATA_ROOT")


def place(root: Path, name: str, text: str) -> None:
    path = root / "local" / "ud" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def load(root: Path, split: str = "test", language: str = "de") -> list[list[tuple[str, str]]]:
    rows = source_of(SPEC, DataSpec("hub", str(root))).rows(split, language)[0]
    names = SPEC.labels
    return [
        [(token, names[tag]) for token, tag in zip(tokens, tags, strict=True)]
        for tokens, tags in zip(rows["tokens"], rows["tags"], strict=True)
    ]


def test_a_contraction_is_one_token_and_an_empty_node_none(tmp_path: Path) -> None:
    place(tmp_path, "UD_German-GSD/de_gsd-ud-test.conllu", ZUM)
    # zu and dem hang on the same word, so the list of tags decides: ADP before DET
    assert load(tmp_path) == [[("Er", "PRON"), ("ging", "VERB"), ("zum", "ADP"), ("Haus", "NOUN")]]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        # Spanish dámelo: the verb is the highest, whatever the others are
        ({1: Word("da", "VERB", 0), 2: Word("me", "PRON", 1), 3: Word("lo", "PRON", 1)}, "VERB"),
        # height goes before the list: the adposition that governs the noun
        ({1: Word("a", "ADP", 0), 2: Word("b", "NOUN", 1), 3: Word("c", "VERB", 2)}, "ADP"),
        # equally high: the list, where symbols, which it lacks, come last
        ({1: Word("a", "SYM", 4), 2: Word("b", "PUNCT", 4), 3: Word("c", "X", 4), 4: Word("d", "NOUN", 0)}, "X"),
        # heads in a circle end
        ({1: Word("a", "DET", 2), 2: Word("b", "ADP", 1), 3: Word("c", "NOUN", 1)}, "ADP"),
    ],
)
def test_the_tag_of_a_contraction(words: dict[int, Word], expected: str) -> None:
    assert fuse(words, {(1, 3): "xyz"})[0] == ("xyz", expected)


@st.composite
def trees(draw):
    n = draw(st.integers(1, 9))
    heads = [draw(st.integers(0, i)) for i in range(n)]  # every head comes before: always a tree
    words = {i + 1: Word(f"w{i + 1}", draw(st.sampled_from(conllu.PRECEDENCE)), heads[i]) for i in range(n)}
    spans, at = {}, 1
    while at <= n:
        size = draw(st.integers(1, 3))
        if size > 1 and at + size - 1 <= n:
            spans[at, at + size - 1] = f"f{at}"
        at += size
    return words, spans


@settings(max_examples=150, deadline=None)
@given(trees())
def test_contractions_cover_their_words_and_take_the_highest_tag(tree) -> None:
    words, spans = tree
    inside = {n: span for span in spans for n in range(span[0], span[1] + 1)}
    expected = []
    for n in sorted(words):
        if n not in inside:
            expected.append((words[n].form, words[n].tag))
        elif n == inside[n][0]:
            members = range(inside[n][0], inside[n][1] + 1)

            def depth(m: int) -> int:
                return 0 if words[m].head == 0 else 1 + depth(words[m].head)

            top = min(map(depth, members))
            tags = [words[m].tag for m in members if depth(m) == top]
            expected.append((spans[inside[n]], min(tags, key=conllu.PRECEDENCE.index)))
    assert fuse(words, spans) == expected


def test_treebanks_are_joined_by_the_code_of_their_language_alone(tmp_path: Path) -> None:
    def one(word: str) -> str:
        return line("1", word, "NOUN", "0") + "\n\n"

    for name, word in (
        ("UD_German-HDT/de_hdt-ud-test.conllu", "zwei"),
        ("UD_German-GSD/de_gsd-ud-test.conllu", "eins"),
        ("UD_German-GSD/de_gsd-ud-dev.conllu", "dev"),
        ("UD_Swiss_German-UZH/gsw_uzh-ud-test.conllu", "nei"),
        ("UD_Old_French-SRCMF/fro_srcmf-ud-test.conllu", "viez"),
        ("UD_French-GSD/fr_gsd-ud-test.conllu", "un"),
        ("zh/test.conllu", "一"),
        ("UD_Classical_Chinese-Kyoto/lzh_kyoto-ud-test.conllu", "古"),
    ):
        place(tmp_path, name, one(word))
    assert load(tmp_path) == [[("eins", "NOUN")], [("zwei", "NOUN")]]
    assert load(tmp_path, language="fr") == [[("un", "NOUN")]]
    assert load(tmp_path, language="zh") == [[("一", "NOUN")]]
    assert load(tmp_path, "validation") == [[("dev", "NOUN")]]
    assert set(source_of(SPEC, DataSpec("hub", str(tmp_path))).languages("test")) == {"de", "fr", "zh"}
    with pytest.raises(StiltsError, match=r"no CoNLL-U file of en/train.*en_<treebank>-ud-train.conllu"):
        load(tmp_path, "train", "en")


def test_withheld_words_and_odd_spaces(tmp_path: Path) -> None:
    hidden = "\n".join([line("1", "_", "NOUN", "0"), line("2", "_", "VERB", "1"), line("3", ".", "PUNCT", "1"), ""])
    single = line("1", "_", "PUNCT", "0") + "\n"
    some = "\n".join([line(str(n), form, "X", "0") for n, form in enumerate(["a", "_", "b"], 1)]) + "\n"
    spaced = line("1", "می\u200cروم", "VERB", "0") + "\r\n" + line("2", "10 000", "NUM", "1") + "\n"
    place(tmp_path, "de_x-ud-test.conllu", "\n".join([hidden, single, some, spaced]))
    assert load(tmp_path) == [[("a", "X"), ("_", "X"), ("b", "X")], [("میروم", "VERB"), ("10000", "NUM")]]


@pytest.mark.parametrize("bad", ["1 Er PRON", line("x", "Er"), line("1-", "Er"), "1\tEr"])
def test_what_is_not_conllu_is_named_by_line(tmp_path: Path, bad: str) -> None:
    place(tmp_path, "de_x-ud-test.conllu", ZUM + "\n" + bad + "\n")
    with pytest.raises(StiltsError, match=r"de_x-ud-test.conllu line 10: not CoNLL-U"):
        load(tmp_path)


def test_an_unknown_tag_is_named(tmp_path: Path) -> None:
    place(tmp_path, "de_x-ud-test.conllu", line("1", "a", "NOUNS", "0") + "\n\n")
    with pytest.raises(StiltsError, match="did you mean 'NOUN'"):
        load(tmp_path)


def test_a_cell_takes_them_by_an_option(tmp_path: Path) -> None:
    for split in ("train", "dev", "test"):
        place(tmp_path, f"en_x-ud-{split}.conllu", line("1", "a", "NOUN", "0") + "\n\n")
    place(tmp_path, "de_gsd-ud-test.conllu", ZUM)
    base = ("+target=udpos", "data=hub", f"data.root={tmp_path}", "dataset.udpos.reader=conllu")
    planned = plan(cell_of(*base))
    assert planned.final.languages == ("de", "en")
    place(tmp_path, "de_gsd-ud-test.conllu", ZUM.replace("Haus", "Hof"))
    assert plan(cell_of(*base)).final.key != planned.final.key
    with pytest.raises(StiltsError, match="There is no CoNLL-U file of de/test"):
        source_of(SPEC, DataSpec("hub", None)).rows("test", "de")


@pytest.mark.real
@pytest.mark.skipif(not ROOT, reason="STILTS_DATA_ROOT names no folder of real rows")
@pytest.mark.parametrize("language", ["de", "fr", "es", "tr", "fi", "zh", "ar"])
def test_real_sentences_have_a_token_for_every_written_word(language: str) -> None:
    data = DataSpec("hub", ROOT)
    path = conllu.files(ROOT, language, "test")[0]
    rows = source_of(SPEC, data).rows("test", language)[0]
    texts = [text[9:] for text in path.read_text("utf-8").split("\n") if text.startswith("# text = ")]
    written = ["".join(text.split()).replace("\u200c", "") for text in texts]
    assert ["".join(tokens) for tokens in rows["tokens"]] == written

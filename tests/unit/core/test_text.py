"""Text that others chose reaches its reader as it is: in Markdown, CSV, pictures, SVG and on a terminal."""

from __future__ import annotations

import csv
import io
import logging
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pandas
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from stilts_xtreme.core.text import csv_plain, csv_table, csv_text, markdown, markdown_table, picture, visible
from stilts_xtreme.report import cell, heatmap, matrix, points, scaling
from stilts_xtreme.report.entries import build
from stilts_xtreme.report.png import png

HOSTILE = [
    "a|b", "`code`", "```", "<script>alert(1)</script>", "<!--", "*bold*", "_em_", "__init__", "squad_v1", "# head",
    "- item", "+ item", "1. item", "2) item", "> quote", "~~gone~~", "[a](http://b)", "![a](b)", "[red]x[/]", "[/]",
    "[link=x]",
    "&lt;", "&#60;", "$x$", "$", "\\", "a\\", "\\|", "=1+1", "+1", "-1", "-x", "@SUM(A1)", "\t=1", "\r=1", "'=1",
    "''=1", "'", "1e5",
    "\x1b[31mred\x1b[0m", "\x1b]8;;http://x\x07", "\x9b31m", "a\nb", "a\r\nb", "\x00", "\u202eevil", "\ufeffx",
    "\u2028",
    "中文字", "שלום", "a:smile:b", '"q"', "a;=1", "a,b", "---", "|", ":--", "_x", "{x}", "%s", "名" * 60, "é" * 50,
    "===",
]  # fmt: skip
texts = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.text("|`<*_[]#$\\=+-@'\x1b\n \tab~&;>1.!", max_size=10),
)
RENDER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def shown(tokens: Any) -> str:
    """The text that a reader of rendered Markdown sees; anything but text is named."""
    return "".join(token.content if token.type in ("text", "text_special") else f"({token.type})" for token in tokens)


def tables(text: str) -> list[list[list[str]]]:
    """The cells of the tables of a page, as a reader sees them."""
    found: list[list[list[str]]] = []
    inside = False
    for token in RENDER.parse(text):
        if token.type in ("table_open", "table_close"):
            inside = token.type == "table_open"
            found += [[]] if inside else []
        elif token.type == "tr_open":
            found[-1].append([])
        elif token.type == "inline" and inside:
            found[-1][-1].append(shown(token.children or []))
    return found


@pytest.mark.parametrize("text", HOSTILE)
def test_visible_text_has_no_control_characters_and_says_what_they_were(text: str) -> None:
    found = visible(text)
    assert "\x1b" not in found
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u202a-\u202e\ufeff]", found)
    if text.isprintable():
        assert found == text
    assert visible("a\x1b\nb", lines=True) == "a\\x1b\nb"


@given(texts, texts)
@example("a|b", "\\")
@example("k=[a](b)", "k=[a][b]")
@example("k=[a]:b", "![k=[a](b)")
def test_markdown_shows_the_text_as_it_is(first: str, second: str) -> None:
    page = "\n".join(markdown_table(["one", "two"], [[first, second]]))
    ((_, cells),) = tables(page)
    assert cells == [visible(first).strip(), visible(second).strip()]
    paragraph = RENDER.parse(markdown(first))
    if visible(first).strip():
        assert [token.type for token in paragraph] == ["paragraph_open", "inline", "paragraph_close"]
        assert shown(paragraph[1].children or []) == visible(first).strip()


def test_markdown_of_common_names_is_the_name() -> None:
    names = ("squad_v1", "xlmr_base", "mnli+qqp", "all nine", "random init, none", "a.b-c", "none")
    for name in (*names, "languages=[de,sw]", "55.0", "+2.0", "-5.0", "#1"):
        assert markdown(name) == name


@given(texts, texts)
def test_csv_gives_the_text_back_and_no_formula(first: str, second: str) -> None:
    text = csv_table(["name", "other", "n"], [{"name": first, "other": second, "n": -1.5}])
    (row,) = csv.DictReader(io.StringIO(text, newline=""))
    assert (csv_plain(row["name"]), csv_plain(row["other"]), row["n"]) == (first, second, "-1.5")
    for value in (row["name"], row["other"]):
        assert not re.match(r"[=+\-@\t\r\n]", value) or re.fullmatch(r"[+-]?[\d.]+(e[+-]?\d+)?", value, re.IGNORECASE)
    if "\x00" not in text:
        frame = pandas.read_csv(io.StringIO(text, newline=""), dtype=str, keep_default_na=False)
        assert csv_plain(frame["name"][0]).splitlines() == first.splitlines()
        assert len(frame) == 1


def test_numbers_in_csv_stay_numbers() -> None:
    row = {"a": -1.5, "b": -3, "c": None, "d": True, "e": "-1", "f": "+2.5e-3", "g": "-x"}
    assert csv_table(list(row), [row]).splitlines()[1] == "-1.5,-3,,True,-1,+2.5e-3,'-x"
    assert csv_text("=1") == "'=1"


def result(name: str, model: str, target: str, tasks: list[str], value: float) -> dict[str, Any]:
    """A cell's result with hostile names."""
    line = {"language": name, "n": 20, "metric": "accuracy", "floor": 33.0, "floor_name": name, "baseline": None,
            "value": value, "gain": None}  # fmt: skip
    return {
        "cell": name, "model": model, "intermediate": tasks, "target": target, "seed": 0, "mlm": 0.0,
        "translation": None,
        "synthetic": False, "collapsed": [name], "source_language": "en", "missing_languages": [name],
        "substitutes": {},
        "averages": {"zero_shot_value": value, "all_value": value}, "comparison": [line, {**line, "language": "en"}],
        "rows": [{"cell": name, "model": model, "intermediate": "+".join(tasks) or "none", "language": name,
                  "target": target, "value": value}],
        "stages": [], "recipe": name,
        "unverified": [name], "layers": {name: [1.0]}, "caveat": name,
        "scale": {"parameters": 10, "intermediate": {"examples": 5, "steps": 5, "batches": 5}},
    }  # fmt: skip


@given(texts.filter(bool), texts.filter(bool), texts.filter(bool))
@settings(max_examples=8, deadline=None)
@example("$a$b$", "$\\foo{$", "_x")
def test_every_writer_of_the_report_shows_names_as_they_are(name: str, model: str, target: str) -> None:
    results = [result(name, model, target, tasks, value) for tasks, value in (([], 50.0), ([name], 60.0))]
    made = build(results)
    first, gains, *_ = tables(matrix.page(made, results))
    assert {len(line) for line in first} == {2}
    assert first[0] == ["after", visible(target).strip()]
    assert [line[0] for line in first[1:]] == ["none", visible(name).strip()] or name == "none"
    assert gains[1][-1] == "+10.0" or name == "none"
    assert png(heatmap.figure(made))[:4] == b"\x89PNG"
    rows = list(csv.DictReader(io.StringIO(matrix.tidy(results), newline="")))
    assert [csv_plain(row["target"]) for row in rows] == [target, target]
    (table,) = tables(cell.markdown(results[1]))
    assert [line[0] for line in table[1:3]] == [visible(name).strip(), "en"]
    assert {len(line) for line in table} == {5}
    assert [csv_plain(row["language"]) for row in csv.DictReader(io.StringIO(cell.curve(results[0]), newline=""))] == [
        name
    ]


def test_points_of_a_study_are_read_back(tmp_path: Path) -> None:
    found = points.points([result("=a", "[red]", "@t|", ["+b"], 50.0), result("c", "[red]", "@t|", [], 40.0)], "volume")
    (tmp_path / points.POINTS).write_text(points.table(found), encoding="utf-8")
    assert points.read(tmp_path / points.POINTS) == found
    text = scaling.write(found, tmp_path)
    assert "No gains" in text
    (table,) = tables(text)
    assert {len(line) for line in table} == {8}
    assert table[1][0] == "[red]"


def test_a_font_without_a_character_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    results = [result("名", "名", "文", [], 50.0)]
    with caplog.at_level(logging.WARNING):
        png(heatmap.figure(build(results)), "matrix.png")
    assert [record.getMessage() for record in caplog.records] == [
        "matrix.png shows boxes for characters that its font does not have; the tables have them."
    ]


def test_a_picture_has_no_formula() -> None:
    assert picture("$a$ \x1b") == "\\$a\\$ \\x1b"


def test_a_drawing_is_xml_whatever_the_names() -> None:
    from stilts_xtreme.report.sweeps.state import State
    from stilts_xtreme.sweep.drawing import draw

    for text in HOSTILE:
        node = {"id": "a", "kind": "train", "label": f"{text} > {text}", "parents": [], "done": False, "seconds": 1.0}
        graph = {"name": text, "nodes": [node], "cells": [], "refused": []}
        svg = ET.fromstring(draw(State(graph), []))
        assert any(visible(text) in (element.text or "") for element in svg.iter())

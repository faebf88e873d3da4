"""The page in a real browser without a head: choose, sort, point, open, read in the dark and on a small screen."""

from __future__ import annotations

import json
import os
import re
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright
from support.answers import write_answers
from support.cells import ROOT

from benchmarks.results import LANGUAGES, write_cell, write_matrix
from stilts_xtreme.report.__main__ import main

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium; apt-get install chromium brings it")
HOSTILE = "</script><script>alert(1)</script>"
PUBLISHED = {
    "paper": f"A & B {HOSTILE}",
    "table": "table 1",
    "confidence": "memory",
    "source": "notes",
    "metric": "accuracy",
    "published": 80.04,
    "value": 79.0,
    "delta": -1.04,
    "languages": {"de": -2.0},
}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a matrix whose best task per target is known, with a collapsed run and a hostile name."""
    root = tmp_path_factory.mktemp("page")
    rows = {"mnli": {"xnli": 0.3, "pawsx": 0.05}, "qqp": {"xnli": -0.1, "pawsx": 0.25}, HOSTILE: {"xnli": 0.02}}
    write_matrix(root / "in", rows, items=60)
    for result in (root / "in").glob("cells/*/result.json"):
        said = json.loads(result.read_text())
        if (said["intermediate"], said["target"], said["seed"]) == (["mnli"], "xnli", 1):
            result.write_text(json.dumps({**said, "published": [PUBLISHED]}))
    gold = {code: ["neutral"] * 60 for code in LANGUAGES}
    write_cell(root / "in", (), "xnli", 3, gold, gold)
    write_cell(root / "in", ("mnli",), "xnli", 3, gold, gold, collapsed=True)
    assert main([str(root / "in"), "--output", str(root / "out")]) == 0
    return root / "out" / "report.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser, file: Path) -> Iterator[Page]:
    """The page; afterwards nothing was asked of another machine, and nothing was said on the console."""
    yield from opened(browser, file)


def opened(browser: Browser, file: Path, **options: Any) -> Iterator[Page]:
    context = browser.new_context(**options)
    shown = context.new_page()
    said: list[str] = []
    asked: list[str] = []
    shown.on("console", lambda message: said.append(message.text))
    shown.on("pageerror", lambda error: said.append(str(error)))
    shown.on("dialog", lambda dialog: said.append(f"dialog {dialog.message}"))
    shown.on("request", lambda request: asked.append(request.url))
    shown.goto(file.as_uri())
    yield shown
    assert said == []
    assert asked == [file.as_uri()]
    context.close()


def names(page: Page) -> list[str]:
    return page.locator("#matrix-table tbody tr:not(.winner) th").all_inner_texts()


def entry(page: Page, row: str, column: str) -> Any:
    at = page.locator("#matrix-table thead th").all_inner_texts().index(column) - 1
    line = page.locator("#matrix-table tbody tr", has=page.get_by_role("rowheader", name=row, exact=True))
    return line.locator("td").nth(at)


def test_the_best_task_of_each_target_stands_at_first_sight(page: Page) -> None:
    winners = page.locator("tr.winner td").all_inner_texts()
    assert [text.split("\n")[0] for text in winners] == ["★ mnli", "★ qqp"]
    best = entry(page, "mnli", "xnli")
    assert "best" in best.get_attribute("class")
    assert best.inner_text().startswith("★ +")
    assert re.search(r"helps in [1-5] of 5", best.inner_text())
    assert "†" in best.inner_text()
    assert page.locator("tr.winner").bounding_box()["y"] < 500  # type: ignore[index]


def test_colours_are_centred_at_zero(page: Page) -> None:
    def shade(row: str, column: str) -> str:
        return str(entry(page, row, column).evaluate("cell => cell.style.getPropertyValue('--shade')"))

    assert "--gain" in shade("mnli", "xnli")
    assert "--loss" in shade("qqp", "xnli")
    assert shade("none", "xnli") == ""


def test_a_column_sorts_by_mouse_and_by_keyboard(page: Page) -> None:
    first = names(page)
    assert first[0] == "none"
    heading = page.locator("#matrix-table thead button", has_text="xnli")
    heading.click()
    assert names(page) == ["mnli", HOSTILE, "none", "qqp"]
    assert page.locator("th[aria-sort=descending]").inner_text().startswith("xnli")
    page.keyboard.press("Enter")  # the heading keeps the focus
    assert names(page) == ["qqp", "none", HOSTILE, "mnli"]
    assert page.locator("th[aria-sort=ascending]").count() == 1


def test_measure_and_rows_can_be_chosen(page: Page) -> None:
    gain = entry(page, "mnli", "xnli").inner_text()
    page.locator("#measure").select_option("value")
    score = entry(page, "mnli", "xnli").inner_text()
    assert score != gain
    assert float(score.split("\n")[0].strip("★☆† ")) > 50
    page.locator("#measure").select_option("gap")
    assert "(" in entry(page, "mnli", "xnli").inner_text()
    page.locator("#rows summary").click()
    page.get_by_role("checkbox", name="mnli").uncheck()
    assert "mnli" not in names(page)


def test_an_entry_is_read_where_it_is_pointed_at_and_focused(page: Page) -> None:
    entry(page, "qqp", "pawsx").locator("button").hover()
    assert page.locator("#pointed").inner_text().startswith("qqp → pawsx; gain +")
    entry(page, "mnli", "xnli").locator("button").focus()
    assert "seed 3 collapsed and is left out" in page.locator("#pointed").inner_text()


def test_an_entry_opens_and_closes_by_keyboard(page: Page) -> None:
    button = entry(page, "mnli", "xnli").locator("button")
    button.focus()
    page.keyboard.press("Enter")
    dialog = page.locator("dialog#entry")
    assert dialog.is_visible()
    text = dialog.inner_text()
    assert "Swahili (sw)" in text
    assert "python -m stilts_xtreme +intermediate=mnli +target=xnli model=m recipe=phang2020 data=hub seed=0" in text
    assert "mnli > xnli" in text
    page.keyboard.press("Escape")
    assert not dialog.is_visible()
    assert button.evaluate("button => button === document.activeElement")


def test_published_numbers_stand_beside_those_of_their_setting(page: Page) -> None:
    assert "beside those of mnli > xnli" in page.locator("#note-list").inner_text()
    entry(page, "qqp", "xnli").locator("button").click()
    assert "published" not in page.locator("dialog#entry").inner_text()
    page.keyboard.press("Escape")
    entry(page, "mnli", "xnli").locator("button").click()
    line = page.get_by_role("region", name="Published numbers of the entry").locator("tbody tr")
    assert line.locator("th, td").all_inner_texts() == [
        *("seed 1", "accuracy", "80.0", "79.0", "−1.0", "de −2.0"),
        *(f"A & B {HOSTILE}, table 1", "UNVERIFIED, from memory", "notes"),
    ]


def test_languages_stand_in_the_order_that_is_chosen(page: Page) -> None:
    def heads() -> list[str]:
        return page.locator("#language-table thead tr").nth(1).locator("th").all_inner_texts()[1:]

    assert heads() == ["en (source)", "ru", "de", "hi", "sw", "yo"]
    page.get_by_label("Order").select_option("family")
    assert heads() == ["en (source)", "ru", "de", "hi", "sw", "yo"]
    groups = page.locator("#language-table thead tr").nth(0).locator("th").all_inner_texts()
    assert groups == ["Indo-European", "Atlantic-Congo"]
    page.get_by_label("Order").select_option("joshi")
    assert heads() == ["en (source)", "de", "ru", "hi", "sw", "yo"]
    groups = page.locator("#language-table thead tr").nth(0).locator("th").all_inner_texts()
    assert groups == ["class 5", "class 4", "class 2"]
    page.get_by_label("Classes by").select_option("joshi")
    classes = page.locator("#class-table thead th").all_inner_texts()
    assert classes[1:] == ["class 5 (1 language)", "class 4 (2 languages)", "class 2 (2 languages)"]
    page.locator("#language-target").select_option("pawsx")
    assert page.locator("#language-table tbody tr").count() == 2


def test_cost_stands_beside_quality(page: Page) -> None:
    titles = page.locator("#cost-table thead th").all_inner_texts()
    named = page.get_by_role("rowheader", name="mnli", exact=True)
    line = page.locator("#cost-table tbody tr", has=named).locator("th, td")
    found = dict(zip(titles, line.all_inner_texts(), strict=True))
    assert (found["time"], found["FLOPs"]) == ("90 s", "3.1e12")
    assert float(found["FLOPs, shared"]) < float(found["FLOPs"])
    assert (found["energy"], float(found["energy, shared"].removesuffix(" Wh"))) == (
        "1.50 Wh",
        pytest.approx(1 / 3, abs=0.2),
    )
    said = page.locator("#cost-flops").inner_text()
    assert "Kaplan" in said
    assert "Energy is that of RAPL, whole processors, with all programs that ran there." in said


def test_examples_are_filtered(page: Page) -> None:
    def changes() -> set[str]:
        return set(page.locator("#example-table td.change").all_inner_texts())

    def codes() -> set[str]:
        return set(page.locator("#example-table tbody tr td:nth-last-child(5)").all_inner_texts())

    assert len(changes()) > 1
    page.locator("#example-filter").select_option("gained")
    assert changes() == {"gained"}
    page.locator("#example-filter").select_option("source")
    assert changes() <= {"wrong", "lost"}
    assert "en" not in codes()
    page.locator("#example-language").select_option("sw")
    assert codes() == {"sw"}
    page.locator("#example-row").select_option(HOSTILE)
    assert HOSTILE in page.locator("#example-table thead").inner_text()
    page.locator("#example-filter").select_option("all")
    page.locator("#example-next").click()
    assert page.locator("#example-page").inner_text() == "Page 2 of 2"


def test_a_placebo_is_never_the_best_task(browser: Browser, tmp_path: Path) -> None:
    write_matrix(tmp_path, {"mnli": {"xnli": 0.1}}, seeds=(0, 1), items=40)
    gold = dict.fromkeys(LANGUAGES, ["neutral"] * 40)
    for seed in (0, 1):
        identity = {"evaluation": f"p{seed}", "baseline": f"key [] xnli {seed}", "encoder": "e", "rest": "xnli"}
        more = {"control": "placebo", "identity": identity}
        write_cell(tmp_path, ("mnli",), "xnli", seed, gold, gold, more=more)
    assert main([str(tmp_path), "--output", str(tmp_path / "out")]) == 0
    for page in opened(browser, tmp_path / "out" / "report.html"):
        assert "placebo(mnli)" in names(page)
        assert "mnli" in (winner := page.locator("tr.winner td").inner_text())
        assert "placebo" not in winner


def test_groups_of_answers_and_rankc_stand_below_the_examples(browser: Browser, tmp_path: Path) -> None:
    rows = {"id": ["1"], "context": ["1951 x"], "question": ["?"], "answer_texts": [["1951"]], "answer_starts": [[0]]}
    queries = {"id": ["1"], "query": ["q"], "text": ["t"], "context": [""], "gold": [["a"]]}
    for tasks, said, ranked in (((), "x", ["b", "a"]), (("squad",), "1951", ["a", "b"])):
        gold = dict.fromkeys(("en", "de"), rows)
        write_answers(tmp_path, tasks, ("xquad", "qa", "squad"), {key: {"1": said} for key in gold}, gold)
        found = {"en": {"1": ["a", "b"]}, "de": {"1": ranked}}
        write_answers(tmp_path, tasks, ("lareqa", "ranking", "map_at_20"), found, dict.fromkeys(gold, queries))
    assert main([str(tmp_path), "--output", str(tmp_path / "out")]) == 0
    for page in opened(browser, tmp_path / "out" / "report.html"):
        page.locator("#example-target").select_option("xquad")
        groups = page.locator("#groups-table tbody tr").all_inner_texts()
        assert groups == ["length: 1 word\t2\t0.0\t100.0\t+100.0", "kind: with a number\t2\t0.0\t100.0\t+100.0"]
        assert "number words are not recognised" in page.locator("#groups-about").inner_text()
        page.locator("#example-target").select_option("lareqa")
        assert page.locator("#groups").is_hidden()
        assert page.locator("#changes-table tbody tr").nth(1).inner_text().endswith("\t26.9 → 100.0")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_barrier_is_found(browser: Browser, file: Path, scheme: Any) -> None:
    for page in opened(browser, file, color_scheme=scheme):
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 26)"
        assert dark == (scheme == "dark")
        for step in ("closed", "open"):
            if step == "open":
                entry(page, "mnli", "xnli").locator("button").click()
            found = Axe().run(page).response["violations"]
            serious = [(v["id"], [node["html"][:200] for node in v["nodes"][:3]]) for v in found]
            assert serious == [], step


def test_texts_of_rows_are_texts_whatever_they_hold(browser: Browser, tmp_path: Path) -> None:
    codes, answers = ("en", "ar"), ["neutral", "entailment", "neutral"]
    gold = dict.fromkeys(codes, answers)
    texts = [f"{HOSTILE} <img src=x onerror=alert(1)>", "\u202eمرحبا\u202c بالعالم", "=cmd()|e" + "\u0301" * 600]
    for tasks in ((), ("mnli",)):
        folder = write_cell(tmp_path, tasks, "xnli", 0, gold, gold)
        rows = [{"text_a": text, "label": label} for text, label in zip(texts, answers, strict=True)]
        for code in codes:
            (tmp_path / f"{code}.json").write_text(json.dumps(rows))
        config = json.loads((folder / "config.json").read_text())
        config["data"] = {"kind": "hub", "root": None, "bad_rows": "skip", "world": {}}
        config["dataset"]["own"] |= {
            "format": "classification",
            "labels": ["entailment", "neutral"],
            "columns": {"text_a": "text_a", "label": "label"},
            "files": {"test": {code: str(tmp_path / f"{code}.json") for code in codes}},
        }
        (folder / "config.json").write_text(json.dumps(config))
    assert main([str(tmp_path), "--output", str(tmp_path / "out")]) == 0
    size = {"width": 360, "height": 740}
    for page in opened(browser, tmp_path / "out" / "report.html", viewport=size):
        shown = page.locator("#example-table td.texts bdi")
        assert shown.nth(0).inner_text() == texts[0]
        assert shown.nth(2).inner_text() == texts[1]
        assert shown.nth(4).inner_text() == "=cmd()|…"  # a character with 600 marks is left out whole
        assert "their licence is not known here" in page.locator("#example-texts").inner_text()
        assert page.locator("img").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        assert [v["id"] for v in Axe().run(page).response["violations"]] == []


def test_the_theme_can_be_turned(page: Page) -> None:
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.get_by_role("button", name="Dark or light").click()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before


def test_a_small_screen_does_not_scroll_sideways(browser: Browser, file: Path) -> None:
    for page in opened(browser, file, viewport={"width": 360, "height": 740}):
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        entry(page, "mnli", "xnli").locator("button").click()
        box = page.locator("dialog#entry").bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 360


def test_without_script_a_reader_is_told(browser: Browser, file: Path) -> None:
    for page in opened(browser, file, java_script_enabled=False):
        assert "matrix.md" in page.locator("noscript").inner_text()
        assert page.locator("figure svg").count() > 0


def test_the_picture_of_the_readme_is_made_by_a_command(file: Path, tmp_path: Path) -> None:
    command = [
        sys.executable,
        str(ROOT / "docs" / "picture.py"),
        str(file),
        str(tmp_path / "page.png"),
        "--width",
        "700",
    ]
    subprocess.run([*command, "--without-controls"], check=True, timeout=120)
    width, height = struct.unpack(">II", (tmp_path / "page.png").read_bytes()[16:24])
    assert width == 700
    assert 400 < height < 1500  # it ends below the matrix

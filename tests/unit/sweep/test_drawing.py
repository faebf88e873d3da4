"""The picture of a sweep: every stage once, nothing over anything else, the longest chain in red."""

from __future__ import annotations

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stilts_xtreme.commands import status
from stilts_xtreme.report.sweeps.recorded import SCHEMA
from stilts_xtreme.report.sweeps.state import State
from stilts_xtreme.sweep.drawing import FILL, RED, draw
from stilts_xtreme.sweep.trace import spans

SVG = "{http://www.w3.org/2000/svg}"


def node(id_: str, kind: str, label: str, seconds: float, *parents: str, done: bool = False) -> dict[str, Any]:
    return {"id": id_, "kind": kind, "label": label, "parents": list(parents), "seconds": seconds, "done": done}


def graph(nodes: list[dict[str, Any]]) -> dict[str, Any]:
    return {"schema": SCHEMA, "name": "a sweep & more", "nodes": nodes, "cells": [], "refused": []}


NODES = [
    node("i", "train", "mnli", 30, done=True),
    node("t", "train", "mnli > <b>&'\"", 10, "i"),
    node("e", "evaluate", "mnli > xnli", 5, "t"),
    node("b", "evaluate", "none > tatoeba", 20),
    node("f", "floors", "ภาษาไทย", 3),
    node("c", "cell", "mini-mnli-xnli", 0.1, "e", "f"),
]
EVENTS = [
    {"time": 100.0, "event": "launched", "slots": 2},
    {"time": 100.0, "event": "started", "node": "t", "slot": 0},
    {"time": 100.0, "event": "started", "node": "b", "slot": 1},
    {"time": 108.0, "event": "lost", "node": "b", "error": "killed"},
    {"time": 108.0, "event": "started", "node": "b", "slot": 1},
    {"time": 115.0, "event": "done", "node": "t", "seconds": 15.0, "made": True},
    {"time": 115.0, "event": "started", "node": "e", "slot": 0},
    {"time": 120.0, "event": "failed", "node": "e", "error": "it broke"},
]


def rectangles(text: str) -> list[tuple[str, dict[str, str]]]:
    """Tooltip and attributes of all rectangles that have one."""
    found = []
    for element in ElementTree.fromstring(text).iter(f"{SVG}rect"):
        title = element.find(f"{SVG}title")
        if title is not None:
            found.append((str(title.text), dict(element.attrib)))
    return found


def overlap(one: dict[str, str], other: dict[str, str]) -> bool:
    (x, y, w, h), (u, v, a, b) = ([float(r[k]) for k in ("x", "y", "width", "height")] for r in (one, other))
    return x < u + a - 0.11 and u < x + w - 0.11 and y < v + b - 0.11 and v < y + h - 0.11


def stages(text: str) -> dict[str, dict[str, str]]:
    """Stage -> its box."""
    found = [(re.search(r"\((\w+)\): ", tip), box) for tip, box in rectangles(text)]
    named = [(match.group(1), box) for match, box in found if match]
    assert len(named) == len(dict(named)), "every stage once"
    return dict(named)


def test_what_is_shown() -> None:
    state = State(graph(NODES))
    for event in EVENTS:
        state.apply(str(event["event"]), event)
    text = draw(state, spans(EVENTS))
    boxes = stages(text)
    assert boxes.keys() == {"i", "t", "e", "b", "f"}
    assert {id_ for id_, box in boxes.items() if box.get("stroke-width")} == {"i", "t", "e"}, (
        "30 + 15 + 5 of 50 seconds"
    )
    assert boxes["i"]["fill"] == boxes["t"]["fill"] == FILL["train"]
    assert boxes["e"]["fill"] == boxes["f"]["fill"] == "#ffffff", "not done"
    assert float(boxes["i"]["x"]) < float(boxes["t"]["x"]) < float(boxes["e"]["x"]) == float(boxes["b"]["x"])
    tips = [tip for tip, _ in rectangles(text)]
    assert "train mnli > <b>&'\": 15 s, done" in tips
    assert "evaluate none > tatoeba: 8 s, lost" in tips
    assert any("it broke" in tip for tip in tips)
    words = [element.text for element in ElementTree.fromstring(text).iter(f"{SVG}text")]
    assert "a sweep & more" in words
    assert {"failed", "15 s", "30 s", "~3 s", "slot 0", "slot 1", "none > tatoeba", "ภาษาไทย"} <= set(words)
    assert "1 cell, 5 distinct stages, 2 of them done. Critical path, in red: 50 s in 3 stages." in words
    assert text.count(f'stroke="{RED}" stroke-width="1.6"/>') == 2, "its two lines"


@st.composite
def forests(draw_: st.DrawFn) -> list[dict[str, Any]]:
    """Stages as sweeps have them: each with one parent at the most."""
    nodes: list[dict[str, Any]] = []
    for at in range(draw_(st.integers(1, 60))):
        parent = draw_(st.none() | st.integers(0, at - 1)) if at else None
        kind = draw_(st.sampled_from(["train", "evaluate", "floors", "pretrain"]))
        label = draw_(st.sampled_from(["none > a", "b+c+d+e > f", "g", "random > x", "", "long" * 30]))
        parents = [] if parent is None else [f"n{parent}"]
        nodes.append(node(f"n{at}", kind, label, draw_(st.floats(0, 1e6)), *parents, done=draw_(st.booleans())))
    return nodes


@settings(max_examples=25)
@given(forests())
def test_nothing_lies_over_anything_else(nodes: list[dict[str, Any]]) -> None:
    text = draw(State(graph(nodes)), [])
    boxes = stages(text)
    assert len(boxes) == len(nodes)
    for (one, box), (other, its) in combinations(boxes.items(), 2):
        assert not overlap(box, its), (one, other)
    for entry in nodes:
        for parent in entry["parents"]:
            assert float(boxes[parent]["x"]) < float(boxes[entry["id"]]["x"])
    root = ElementTree.fromstring(text)
    assert all(float(box["x"]) + float(box["width"]) <= float(root.attrib["width"]) for box in boxes.values())
    assert all(float(box["y"]) + float(box["height"]) <= float(root.attrib["height"]) for box in boxes.values())


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "sweeps" / "one"
    folder.mkdir(parents=True)
    (folder / "graph.json").write_text(json.dumps(graph(NODES)))
    (folder / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in EVENTS))
    for arguments in ([str(folder), "--graph"], ["--graph"]):
        picture = tmp_path / f"{len(arguments)}.svg"
        rest = [] if len(arguments) > 1 else [str(folder)]
        assert status.main([*arguments, str(picture), *rest]) == 0
        assert len(stages(picture.read_text())) == 5
    assert status.main([str(folder), f"--graph={tmp_path / 'new' / 'x.svg'}"]) == 0
    assert (tmp_path / "new" / "x.svg").read_text() == picture.read_text()
    capsys.readouterr()
    assert status.main([str(folder), "--graph=x.png"]) == 1
    assert "ends in .svg" in capsys.readouterr().err
    assert status.main([str(folder), "--graf=x.svg"]) == 1
    assert "did you mean '--graph'" in capsys.readouterr().err

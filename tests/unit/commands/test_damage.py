"""Any damage to any file of a store: commands name it, remove nothing that is needed, and its remedy mends it."""

from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from support import records
from support.records import CELL, KEYS, SWEEP

from stilts_xtreme.cell.store import Store
from stilts_xtreme.commands import score, status
from stilts_xtreme.commands import store as keeping
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.report import finished
from stilts_xtreme.report.python import load_results
from stilts_xtreme.report.sweeps import recorded
from stilts_xtreme.sweep import job, record

CLOCKS = ('"seconds":', '"finished":')
"""Lines of a stage's manifest that are for people: its seal leaves them out."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return records.small_store(tmp_path_factory.mktemp("whole") / "out").root


@pytest.fixture
def out(whole: Path, tmp_path: Path) -> Path:
    shutil.copytree(whole, tmp_path / "out")
    return tmp_path / "out"


def told(capsys: pytest.CaptureFixture[str], call: Callable[..., int], *words: str) -> str:
    """All that a command says; it ends in no traceback."""
    capsys.readouterr()
    assert call(list(words)) in (0, 1)
    return "".join(capsys.readouterr())


def refusal(work: Callable[[], Any]) -> str:
    try:
        work()
    except StiltsError as error:
        return str(error)
    return ""


def mend(out: Path) -> None:
    """What the documented remedies do: store.damaged=retrain, and the command of the cell and of the sweep again."""
    store = Store(out, "retrain")
    for at in range(len(KEYS)):
        records.stage(store, at)
    records.publish(out / "cells" / CELL)
    records.sweep(out / "sweeps" / SWEEP)


@settings(
    max_examples=60,
    phases=(Phase.explicit, Phase.generate),  # each case is one flip already: nothing to make smaller
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_any_damage_is_named_and_mended_and_costs_nothing(
    whole: Path, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str], data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(records.files(whole)))
    place, bit = data.draw(st.floats(0, 1, exclude_max=True)), data.draw(st.integers(-2, 7))
    out = tmp_path_factory.mktemp("harmed") / "out"
    shutil.copytree(whole, out)
    path = out / name
    records.harm(path, place, bit)
    sweep = str(out / "sweeps" / SWEEP)

    verified = told(capsys, keeping.main, "verify", f"output={out}")
    listed = told(capsys, keeping.main, "ls", f"output={out}")
    stands = told(capsys, status.main, sweep)
    told(capsys, status.main, sweep, "--json")
    told(capsys, status.main, sweep, "--graph", str(out / "sweep.svg"))
    read = refusal(lambda: load_results(out))
    folders = [f"--{part}={out / 'cells' / CELL / part}" for part in finished.FOLDERS]
    scored = told(capsys, score.main, *folders, "--benchmark=xtreme", "--partial")
    told(capsys, keeping.main, "export", str(out / "all.tar"), f"output={out}")
    told(capsys, keeping.main, "gc", "--yes", f"output={out}")
    assert {entry.name for entry in (out / "stages").iterdir()} == set(KEYS), "gc removed what is needed"

    kind, _, rest = name.partition("/")
    part = rest.partition("/")[2]
    if kind == "stages":
        changed = (whole / name).read_bytes(), path.read_bytes() if path.exists() else b""
        lines = [pair for pair in zip(*(text.split(b"\n") for text in changed), strict=False) if pair[0] != pair[1]]
        if not (part == "manifest.json" and len(lines) == 1 and any(word.encode() in lines[0][0] for word in CLOCKS)):
            assert part in verified
            assert "1 damaged" in verified
    elif kind == "cells":
        if part != "manifest.json" or bit != -2:  # without it, it is a cell of an earlier version
            assert part in read
            assert "give the command of the cell again: it publishes" in read
            assert part in stands
        if part.partition("/")[0] in finished.FOLDERS:
            assert part in scored
        if part == "result.json":
            assert f"not counted: The cell {out / 'cells' / CELL} is damaged" in listed
    elif rest.endswith("graph.json"):
        assert "graph.json" in listed
        assert "Give the command of the sweep again" in listed
        assert bit == -2 or "graph.json" in stands
    elif bit >= 0 and b'"check"' in path.read_bytes().split(b"\n")[_line(whole / name, place)]:
        assert f"events.jsonl: 1 damaged line (number {_line(whole / name, place) + 1}) was skipped" in stands

    mend(out)
    assert "0 damaged" in told(capsys, keeping.main, "verify", f"output={out}")
    assert load_results(out) == records.ROWS
    assert recorded.read(out / "sweeps" / SWEEP).ended
    shutil.rmtree(out.parent)


def _line(path: Path, place: float) -> int:
    """The line of a file, from 0, in which the place of a flip is; that of a line's end is its own."""
    data = path.read_bytes()
    return data[: int(place * len(data))].count(b"\n")


def test_a_damaged_chain_of_stages_keeps_what_it_may_need(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(out / "sweeps")  # the cell names its last stage alone
    path = out / "stages" / KEYS[1] / "manifest.json"
    path.write_text(path.read_text().replace(KEYS[0], KEYS[0][::-1]))
    said = told(capsys, keeping.main, "gc", "--yes", f"output={out}")
    assert f"The stage {path.parent} is damaged: manifest.json" in said
    assert (out / "stages" / KEYS[0]).exists()


def test_a_deleted_record_keeps_what_it_may_need(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for gone in (out / "cells" / CELL / "result.json", out / "sweeps" / SWEEP / "graph.json"):
        kept = gone.read_bytes()
        gone.unlink()
        said = told(capsys, keeping.main, "gc", "--yes", f"output={out}")
        assert "Nothing is removed" in said
        assert gone.name in said
        gone.write_bytes(kept)
    shutil.rmtree(out / "cells")
    shutil.rmtree(out / "sweeps")
    assert "3 folders removed" in told(capsys, keeping.main, "gc", "--yes", f"output={out}")


def test_a_stage_of_a_newer_version_is_listed(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (out / "stages" / KEYS[2] / "manifest.json").write_text(json.dumps({"schema": 99}))
    assert "was written by a newer version" in told(capsys, keeping.main, "ls", f"output={out}")
    assert "was written by a newer version" in told(capsys, keeping.main, "verify", f"output={out}")
    assert "Nothing is removed" in told(capsys, keeping.main, "gc", "--yes", f"output={out}")


def test_records_of_an_earlier_version_are_read(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (out / "cells" / CELL / "manifest.json").unlink()
    for path in (out / "stages").glob("*/manifest.json"):
        manifest = json.loads(path.read_text())
        del manifest["digest"]
        path.write_text(json.dumps(manifest))
    graph, events = (out / "sweeps" / SWEEP / name for name in ("graph.json", "events.jsonl"))
    graph.write_text(json.dumps(records.described()))
    lines = [json.loads(line) for line in events.read_text().splitlines()]
    for line in lines:
        del line["check"]
    events.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert "0 damaged" in told(capsys, keeping.main, "verify", f"output={out}")
    assert "not counted" not in told(capsys, keeping.main, "ls", f"output={out}")
    assert load_results(out) == records.ROWS
    state = recorded.read(out / "sweeps" / SWEEP)
    assert (set(state.status.values()), state.notes) == ({"done"}, [])


def test_a_sweep_without_a_graph_is_named_as_such(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "SWEEP=other is not known" in told(capsys, status.main, str(out / "sweeps" / "other"))
    (out / "sweeps" / SWEEP / "graph.json").unlink()
    said = told(capsys, status.main, str(out / "sweeps" / SWEEP))
    assert f"{out / 'sweeps' / SWEEP} is not the folder of a sweep: there is no graph.json." in said
    nowhere = told(capsys, status.main, str(out / "sweeps" / "other"))
    assert f"is not there and {out / 'sweeps'} holds no sweep" in nowhere


ODD_EVENTS = [
    '{"time": 1.0, "event": "launched", "slots": 0}',
    '{"time": 1.0, "event": "launched"}',
    '{"time": 1.0, "event": "done", "node": "x"}',
    '{"time": "1", "event": "ended"}',
    '{"time": 1.0, "event": "failed", "node": "x"}',
    '{"time": 1.0, "event": "progress", "node": ["x"], "done": 1}',
    '{"time": 1.0, "event": "progress", "node": "x", "total": 3}',
    '{"time": 1.0, "event": "submitted", "node": "x", "job": 7}',
    '{"time": 1.0, "evebt": "ended"}',
    '[1, 2]',
    '7',
    '{"time": 1.0, "event": "en',
    '{"time": 1.0, "event": "done", "node": "x", "seconds": 1.0, "check": "00000000"}',
]  # fmt: skip


@pytest.mark.parametrize("line", ODD_EVENTS)
def test_an_odd_event_is_passed_over_and_named(out: Path, capsys: pytest.CaptureFixture[str], line: str) -> None:
    sweep = out / "sweeps" / SWEEP
    count = (sweep / "events.jsonl").read_text().count("\n")
    for text in (line, line.replace('"x"', json.dumps(KEYS[1]))):
        with (sweep / "events.jsonl").open("a") as file:
            file.write(text + "\n")
    said = told(capsys, status.main, str(sweep))
    assert f"events.jsonl: 2 damaged lines (numbers {count + 1}, {count + 2}) were skipped" in said
    assert f"{SWEEP}: finished" in said


def test_an_event_after_half_a_line_is_not_lost(out: Path) -> None:
    sweep = out / "sweeps" / SWEEP
    with (sweep / "events.jsonl").open("a") as file:
        file.write('{"time": 17.0, "event": "star')
    log = record.Log(sweep / "events.jsonl")
    log.tell("failed", {"node": KEYS[2], "error": "one\u2028two \udc80"})
    log.close()
    state = recorded.read(sweep)
    assert state.status[KEYS[2]] == "done", "its stage is there"
    assert recorded.lines(sweep / "events.jsonl")[-1]["error"] == "one\u2028two \udc80"
    assert len(state.notes) == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda graph: graph["nodes"][1].update(parents=["nobody"]),
        lambda graph: graph["nodes"][0].update(kind="trail"),
        lambda graph: graph["nodes"][0].update(seconds="1"),
        lambda graph: graph["nodes"][0].pop("done"),
        lambda graph: graph["nodes"].reverse(),
        lambda graph: graph["cells"][0].update(name="nobody"),
        lambda graph: graph["cells"][0].update(intermediate=None),
        lambda graph: graph.pop("refused"),
        lambda graph: graph.update(nodes={}),
    ],
)
def test_an_odd_graph_is_one_sentence(
    out: Path, capsys: pytest.CaptureFixture[str], change: Callable[[dict[str, Any]], Any]
) -> None:
    graph = records.described()  # of an earlier version, which has no digest
    change(graph)
    sweep = out / "sweeps" / SWEEP
    (sweep / "graph.json").write_text(json.dumps(graph))
    said = told(capsys, status.main, str(sweep))
    assert said.startswith(f"error: {sweep / 'graph.json'} is damaged")
    assert said.count("\n") == 1
    assert "graph.json is damaged" in told(capsys, keeping.main, "ls", f"output={out}")
    assert "Nothing is removed" in told(capsys, keeping.main, "gc", "--yes", f"output={out}")


def test_a_configuration_for_a_job_is_told_from_a_damaged_one(out: Path) -> None:
    sweep = out / "sweeps" / SWEEP
    name = job.keep_config(sweep, {"seed": 1})
    path = sweep / "configs" / f"{name}.json"
    path.write_text('{"seed": 2}')
    with pytest.raises(StiltsError, match=rf"configs/{name}\.json is damaged"):
        job.rebuild(sweep, KEYS[0], name, False)
    assert job.keep_config(sweep, {"seed": 1}) == name
    assert json.loads(path.read_text()) == {"seed": 1}


def test_a_damaged_cell_does_not_travel(out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (out / "cells" / CELL / "table.md").write_text("| de | 90.0 |\n")
    file = tmp_path / "all.tar"
    assert "the content of table.md has changed" in told(capsys, keeping.main, "export", str(file), f"output={out}")
    assert not file.exists()
    with tarfile.open(file, "w") as tar:
        tar.add(out / "cells", "cells")
        tar.add(out / "stages", "stages")
    said = told(capsys, keeping.main, "import", str(file), f"output={tmp_path / 'new'}")
    assert f"damaged cell, {CELL}: the content of table.md has changed" in said
    assert not (tmp_path / "new" / "cells").exists()

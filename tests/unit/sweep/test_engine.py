"""The engine on a clock of its own: each node once, no slot idle beside a ready node, the dearest cell first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.graphs import graphs, node

from stilts_xtreme.cell.store import Store
from stilts_xtreme.core import compose
from stilts_xtreme.sweep import engine as engines
from stilts_xtreme.sweep import simulate
from stilts_xtreme.sweep.engine import Engine
from stilts_xtreme.sweep.graph import Graph, build, chains
from stilts_xtreme.sweep.planning import planned_cells
from stilts_xtreme.sweep.trace import spans, waits


def plain(graph: Graph) -> list[dict[str, Any]]:
    return [{"id": entry.id, "parents": entry.parents, "done": entry.done} for entry in graph.nodes.values()]


def run(
    graph: Graph, slots: int, fates: Mapping[str, Sequence[str]] | None = None
) -> tuple[Engine, list[dict[str, Any]]]:
    """An engine at its end, and what it told."""
    clock = simulate.Clock(slots, lambda id_: iter((fates or {}).get(id_, ())))
    events: list[dict[str, Any]] = [{"event": "launched", "time": 0.0, "slots": slots}]

    def tell(name: str, data: dict[str, Any]) -> None:
        if name == "started":
            assert set(graph.nodes[data["node"]].parents) <= engine.done
        events.append({"event": name, "time": clock.time, **data})

    engine = Engine(graph, clock, tell)
    engine.run()
    return engine, events


def started(events: Sequence[Mapping[str, Any]]) -> list[str]:
    return [event["node"] for event in events if event["event"] == "started"]


def test_the_dearest_chain_goes_first() -> None:
    graph = Graph([node("short", 9), node("long", 1), node("then", 10, "long"), node("last", 10, "then")])
    _, events = run(graph, 1)
    assert started(events) == ["long", "then", "last", "short"]
    assert [entry.id for entry in graph.critical_path()] == ["long", "then", "last"]


def test_a_cell_is_finished_before_a_cheaper_one_is_begun() -> None:
    """Its floors and its evaluation do not wait for the trainings of all others, which take longer than they do."""
    graph = Graph(
        [
            node("floors", 0.5, kind="floors"),
            node("cheap", 8),
            node("cheap score", 1, "cheap", kind="evaluate"),
            node("dear", 9),
            node("dear score", 1, "dear", kind="evaluate"),
            node("cheap cell", 0.1, "cheap score", "floors", kind="cell"),
            node("dear cell", 0.1, "dear score", "floors", kind="cell"),
        ]
    )
    _, events = run(graph, 1)
    assert started(events) == ["dear", "dear score", "floors", "dear cell", "cheap", "cheap score", "cheap cell"]


@given(graphs(), st.data(), st.integers(1, 3))
def test_a_node_that_is_there_waits_for_no_parent_that_was_deleted(
    graph: Graph, data: st.DataObject, slots: int
) -> None:
    done = data.draw(st.sets(st.sampled_from(sorted(graph.nodes))))  # with or without what they were made from
    graph = Graph([replace(entry, done=entry.id in done) for entry in graph.nodes.values()])
    engine, events = run(graph, slots)
    assert sorted(started(events)) == sorted(graph.nodes.keys() - done)
    assert engine.done == graph.nodes.keys()
    assert not waits(plain(graph), events)
    assert sorted(id_ for chain in chains(graph, graph.nodes.keys() - done) for id_ in chain) == sorted(
        graph.nodes.keys() - done
    )


def test_what_is_done_makes_no_chain_dear() -> None:
    graph = Graph([replace(node("a", 100), done=True), node("b", 1, "a"), node("c", 2)])
    _, events = run(graph, 1)
    assert started(events) == ["c", "b"]
    assert graph.tail["a"] == graph.chain["a"] == 1


def test_a_lost_node_is_tried_twice_more() -> None:
    graph = Graph([node("a", 1), node("b", 1), node("c", 1, "a"), node("d", 1, "b")])
    engine, events = run(graph, 2, {"a": ["lost", "lost"], "b": ["lost", "lost", "lost"]})
    assert engine.done == engine.made == {"a", "c"}
    assert set(engine.failed) == {"b"}
    assert engine.cause("d") == engine.cause("b") != engine.cause("a")
    assert [event["event"] for event in events if event.get("node") == "b"].count("lost") == 2


@given(graphs(), st.integers(1, 5), st.data())
def test_any_graph_runs_once_without_idle_slots(graph: Graph, slots: int, data: st.DataObject) -> None:
    broken = data.draw(st.sets(st.sampled_from(sorted(graph.nodes)), max_size=3))
    busy = data.draw(st.sets(st.sampled_from(sorted(graph.nodes)), max_size=3))
    fates = {id_: (["busy"] if id_ in busy else []) + (["failed"] if id_ in broken else []) for id_ in graph.nodes}
    engine, events = run(graph, slots, fates)
    below = {child for id_ in engine.failed for child in graph.below(id_)}
    assert set(engine.failed) <= broken
    assert engine.done == graph.nodes.keys() - below - set(engine.failed)
    assert set(engine.skipped) == below - set(engine.failed)
    expected = sorted([*engine.done, *engine.failed, *(busy & (engine.done | engine.failed.keys()))])
    assert sorted(started(events)) == expected
    assert waits(plain(graph), events) == []
    times = spans(events)
    assert sorted(span.node for span in times) == expected
    for slot in range(slots):
        own = sorted((span.start, span.end) for span in times if span.slot == slot)
        assert all(end <= start for (_, end), (start, _) in pairwise(own)), "one node at a time"
    if broken or busy:
        return
    longest, total = max(graph.tail.values()), graph.left()
    end = max(span.end for span in times)
    assert end <= longest + (total - longest) / slots + 1e-6, "Graham's bound for a list without idle slots"
    by_node = {span.node: span for span in times}
    for span in times:  # seen without the engine's own account of what is ready
        ready = max((by_node[parent].end for parent in graph.nodes[span.node].parents), default=0.0)
        busy_then = sum(other.start <= ready < other.end for other in times if other is not span)
        assert span.start == ready or busy_then >= slots


def test_a_slot_that_waits_in_vain_is_found() -> None:
    nodes = plain(Graph([node("a", 1), node("b", 1), node("c", 1, "a")]))

    def event(name: str, id_: str, time: float) -> dict[str, Any]:
        return {"event": name, "node": id_, "time": time}

    begin = {"event": "launched", "slots": 2, "time": 0.0}
    lazy = [begin, event("started", "a", 0), event("done", "a", 1), event("started", "b", 1), event("done", "b", 2)]
    assert waits(nodes, lazy) == [("done a", "b"), ("done b", "c")]
    eager = [begin, event("started", "a", 0), event("started", "b", 0), event("done", "a", 1), event("started", "c", 1)]
    assert waits(nodes, [*eager, event("done", "b", 2), event("done", "c", 2)]) == []
    assert waits(nodes, [*eager, event("lost", "c", 1), event("done", "b", 2)]) == [("done b", "c")]
    assert [(span.node, span.how) for span in spans(eager)] == [("a", "done"), ("b", "running"), ("c", "running")]


def test_the_engine_is_seen_to_wait_when_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    def lazy(self: Engine) -> None:
        if self.ready and not self.running:  # one at a time, whatever is free
            self._start(engines.heapq.heappop(self.ready)[-1])

    graph = Graph([node("a", 1), node("b", 1)])
    monkeypatch.setattr(Engine, "_fill", lazy)
    assert waits(plain(graph), run(graph, 2)[1])


@pytest.mark.slow
def test_the_matrix_of_xtreme_r_ends_near_its_lower_bound() -> None:
    """The smallest and the largest encoder; the command has all four, and five seeds."""
    options = [*simulate.XTREME_R, "model=xlmr_base,xlmr_xxl", "seed=0,1,2"]
    options = [one for one in options if one not in simulate.XTREME_R or not one.startswith(("model=", "seed="))]
    planned, refused = planned_cells(compose.prepare(options))
    assert refused == []
    assert len(planned) == 2 * 11 * 12 * 3
    graph = simulate.assumed(build(planned, Store(planned[0].cell.output)))
    mnli = {entry.seconds for entry in graph.nodes.values() if entry.label == "mnli"}
    assert len(mnli) == 2
    # 392,702 rows (GLUE) of 40 tokens, twice; 12 layers of 768 and 48 of 4096
    assert min(mnli) == pytest.approx(2 + 6 * 12 * 12 * 768**2 * 392_702 * 40 * 2 / 1.5e14)
    assert max(mnli) == pytest.approx(2 + 6 * 12 * 48 * 4096**2 * 392_702 * 40 * 2 / 1.5e14)
    for devices in (*simulate.DEVICES, 12, 24, 48):
        found = simulate.simulate(graph, devices)
        assert found.makespan >= found.bound - 1e-3
        assert found.ratio <= 1.1, devices
        assert found.waits == 0, devices


def test_the_command(capsys: pytest.CaptureFixture[str], tmp_path: Any) -> None:
    arguments = ["+intermediate=none,mnli", "+target=xnli", f"output={tmp_path / 'none'}", "trainer=cpu"]
    assert simulate.main([*arguments, "--devices=1,3"]) == 0
    out = capsys.readouterr().out
    assert "2 cells, " in out
    rows = [line.split("│") for line in out.splitlines() if line.startswith("│")]
    assert [row[1].strip() for row in rows] == ["1", "3"]
    assert not (tmp_path / "none").exists()
    assert simulate.main([*arguments, "--devices=0"]) == 1
    assert "--devices=0 is refused" in capsys.readouterr().err
    assert simulate.main(["--help"]) == 0
    assert "ASSUMED" in capsys.readouterr().out

"""Chains of a graph: which nodes one job takes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from support.graphs import graphs, node

from stilts_xtreme.sweep.graph import Graph, Node, chains


@given(graphs(), st.data())
def test_chains_keep_nothing_else_waiting(graph: Graph, data: st.DataObject) -> None:
    done = data.draw(st.sets(st.sampled_from(sorted(graph.nodes)), max_size=4))
    done |= {parent for id_ in done for parent in graph.above(id_)}
    graph = Graph([Node(n.id, n.kind, n.label, n.parents, n.seconds, n.id in done) for n in graph.nodes.values()])
    found = chains(graph, graph.nodes.keys() - done)
    assert sorted(id_ for chain in found for id_ in chain) == sorted(graph.nodes.keys() - done)
    before: set[str] = set(done)
    for chain in found:
        needed = set()
        for id_ in chain:
            assert set(graph.nodes[id_].parents) <= before | needed | {*chain}
            needed.add(id_)
            assert chain.index(id_) == 0 or {*graph.nodes[id_].parents} & {*chain}
        # a job that waits for this one needs all that this one makes
        for id_ in chain:
            for child in set(graph.children[id_]) - set(chain):
                assert set(chain) <= set(graph.above(child))
        before |= set(chain)


def test_an_evaluation_goes_with_its_training() -> None:
    graph = Graph(
        [
            node("mnli", 5),
            node("train", 5, "mnli"),
            node("evaluate", 1, "train"),
            node("other", 9, "mnli"),
            node("floors", 1),
            node("cell", 1, "mnli", "train", "evaluate", "floors"),
            node("alone", 1, "mnli", "other"),
        ]
    )
    assert chains(graph, graph.nodes) == [["mnli"], ["other", "alone"], ["train", "evaluate"], ["floors"], ["cell"]]

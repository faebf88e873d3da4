"""Small graphs of stages."""

from __future__ import annotations

from hypothesis import strategies as st

from stilts_xtreme.sweep.graph import Graph, Node


def node(id_: str, seconds: float, *parents: str, kind: str = "train") -> Node:
    return Node(id_, kind, id_, parents, seconds)


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    nodes = []
    for at in range(draw(st.integers(1, 14))):
        parents = draw(st.sets(st.integers(0, at - 1), max_size=3)) if at else set()
        nodes.append(node(str(at), draw(st.floats(0.1, 9)), *map(str, sorted(parents))))
    return Graph(nodes)

"""The graph of a sweep: a node per distinct stage, and one per cell that gathers its result from them."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stilts_xtreme.cell.estimate import estimate
from stilts_xtreme.cell.plan import CellPlan
from stilts_xtreme.cell.store import Store
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.json_text import read_json
from stilts_xtreme.core.manifest import removed
from stilts_xtreme.core.specs import Cell
from stilts_xtreme.core.stage import Stage
from stilts_xtreme.report import finished
from stilts_xtreme.sweep.planning import PlannedCell

log = logging.getLogger(__name__)

CELL_SECONDS = 0.1
"""A cell's own node reads scores and writes its folder; an estimate for the order only."""


@dataclass(frozen=True)
class Node:
    """Something to make once its parents are made.

    Attributes:
        id: A stage's key, or the name of a cell.
        kind: That of its stage (``pretrain``, ``train``, ``select``, ``merge``, ``evaluate`` or ``floors``), or
            ``cell``.
        label: What people call it.
        parents: Ids of the nodes that come before it: of a stage those that it reads; of a cell all that it reports on.
        seconds: How long it takes: measured if ``done``, else estimated.
        done: Whether it was there before the sweep.
        cell: A cell that needs the stage; None for a cell's own node.
        stage: The stage; None for a cell's own node.
        planned: The plan of a cell, so that it is not planned again; None for a stage, and for a node that a job of a
            cluster knows by its configuration alone.
        config: The composed configuration of the cell, or of one that needs the stage.
        sweep: The name of the sweep, by which loggers group.
    """

    id: str
    kind: str
    label: str
    parents: tuple[str, ...]
    seconds: float
    done: bool = False
    cell: Cell | None = field(default=None, compare=False, repr=False)
    stage: Stage | None = field(default=None, compare=False, repr=False)
    planned: CellPlan | None = field(default=None, compare=False, repr=False)
    config: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)
    sweep: str = field(default="", compare=False, repr=False)

    @property
    def title(self) -> str:
        """Kind and label."""
        return f"{self.kind} {self.label}"


class Graph:
    """Nodes by id, parents before children.

    Attributes:
        nodes: The nodes.
        children: Id -> ids of the nodes that wait for it.
        tail: Id -> seconds from the start of a node to the end of the dearest chain that begins with it, without what
            is done.
        chain: Id -> seconds of the whole chain, from its first node, to the dearest end (a cell) that needs the node,
            without what is done. All that a cell needs, its floors and baseline too, has at least the value of the
            cell.
    """

    def __init__(self, nodes: Sequence[Node]):
        self.nodes = {node.id: node for node in nodes}
        self.children: dict[str, list[str]] = {id_: [] for id_ in self.nodes}
        for node in nodes:
            for parent in node.parents:
                self.children[parent].append(node.id)
        self.tail: dict[str, float] = {}
        for node in reversed(nodes):
            after = max((self.tail[child] for child in self.children[node.id]), default=0.0)
            self.tail[node.id] = after + (0.0 if node.done else node.seconds)
        head: dict[str, float] = {}
        for node in nodes:
            before = max((head[parent] for parent in node.parents), default=0.0)
            head[node.id] = before + (0.0 if node.done else node.seconds)
        self.chain: dict[str, float] = {}
        for node in reversed(nodes):
            self.chain[node.id] = max((self.chain[child] for child in self.children[node.id]), default=head[node.id])

    def stages(self) -> list[Node]:
        """The nodes that are stages."""
        return [node for node in self.nodes.values() if node.kind != "cell"]

    def left(self) -> float:
        """Seconds of work that is not done."""
        return sum(node.seconds for node in self.nodes.values() if not node.done)

    def critical_path(self) -> list[Node]:
        """The chain of nodes that takes longest, of those that are not done."""
        path: list[Node] = []
        open_ = [id_ for id_, node in self.nodes.items() if not node.parents]
        while open_:
            node = self.nodes[max(open_, key=lambda id_: self.tail[id_])]
            if self.tail[node.id] == 0:
                break
            if not node.done:
                path.append(node)
            open_ = self.children[node.id]
        return path

    def above(self, id_: str) -> list[str]:
        """All nodes that a node needs, directly or not."""
        found: dict[str, None] = {}
        todo = list(self.nodes[id_].parents)
        while todo:
            parent = todo.pop()
            if parent not in found:
                found[parent] = None
                todo += self.nodes[parent].parents
        return list(found)

    def below(self, id_: str) -> list[str]:
        """All nodes that need a node, directly or not."""
        found: dict[str, None] = {}
        todo = list(self.children[id_])
        while todo:
            child = todo.pop()
            if child not in found:
                found[child] = None
                todo += self.children[child]
        return list(found)


def chains(graph: Graph, ids: Collection[str]) -> list[list[str]]:
    """Parts nodes into chains that one process can make one after another without keeping anything else waiting.

    A node joins a chain that all its unmade parents are in or come before, if whatever else waits for that chain waits
    for the node as well: an evaluation joins its training, as nothing but its cell needs the training.

    Args:
        graph: The graph.
        ids: The nodes to part; all that are not done, or some of them.

    Returns:
        The chains, the dearest first, none before one that it needs.
    """
    position = {id_: at for at, id_ in enumerate(graph.nodes)}
    found: dict[str, list[str]] = {}
    for id_ in sorted(ids, key=position.__getitem__):
        unmade = [parent for parent in graph.nodes[id_].parents if not graph.nodes[parent].done]
        below = {id_, *graph.below(id_)}
        for chain in (found[parent] for parent in reversed(unmade) if parent in found):
            before = {*chain, *graph.above(chain[0])}
            if before.issuperset(unmade) and all(
                child in before or child in below or graph.nodes[child].done
                for member in chain
                for child in graph.children[member]
            ):
                chain.append(id_)
                found[id_] = chain
                break
        else:
            found[id_] = [id_]
    distinct = {id(chain): chain for chain in found.values()}.values()
    return sorted(distinct, key=lambda chain: (-graph.tail[chain[0]], position[chain[0]]))


def build(planned: Sequence[PlannedCell], store: Store, sweep: str = "") -> Graph:
    """The graph of many cells.

    A stage that several cells need is one node. Every stage of a cell is a parent of the cell's node, so that the cell
    finds all it reports on. A cell that was finished with the same configuration, from stages that are all there, is
    done, if its folder is as it was published.

    Args:
        planned: The cells; one that comes twice is one node.
        store: Tells what is done.
        sweep: The name of the sweep.

    Returns:
        The graph.
    """
    needs: dict[str, tuple[PlannedCell, Stage]] = {}
    for entry in planned:
        for stage in entry.planned.stages():
            needs.setdefault(stage.key, (entry, stage))
    times = estimate([(entry.cell, stage) for entry, stage in needs.values()], store)
    for (_, stage), (source, _) in zip(needs.values(), times, strict=True):
        if source != "measured" and store.on_damage == "retrain" and (found := store.damage(stage.key)):
            log.warning(
                "the stage %s %s in %s is damaged (%s); it is made again",
                stage.kind,
                stage.label,
                store.path(stage.key),
                found,
            )
    nodes = {
        stage.key: Node(
            stage.key,
            stage.kind,
            stage.label,
            tuple(dict.fromkeys(parent.key for parent in stage.opens)),
            seconds,
            source == "measured",
            entry.cell,
            stage,
            config=entry.config,
            sweep=sweep,
        )
        for (entry, stage), (source, seconds) in zip(needs.values(), times, strict=True)
    }
    for entry in planned:
        if entry.name in nodes:
            continue
        parents = tuple(stage.key for stage in entry.planned.stages())
        scored = all(nodes[key].done or removed(store.path(key)) for key in parents)  # weights are no part of a result
        done = scored and _reported(entry)
        nodes[entry.name] = Node(
            entry.name,
            "cell",
            entry.name,
            parents,
            0.0 if done else CELL_SECONDS,
            done,
            planned=entry.planned,
            config=entry.config,
            sweep=sweep,
        )
    return Graph(list(nodes.values()))


def _reported(entry: PlannedCell) -> bool:
    folder = Path(entry.cell.output) / "cells" / entry.name
    if not finished.begun(folder):
        return False
    try:
        finished.read_result(folder)
        return bool(read_json(folder / "config.json") == json.loads(json.dumps(entry.config)))
    except StiltsError as error:
        log.warning("%s", error)
        return False

"""A simulation of a sweep on many devices: the real plan and the real engine, on a clock that does no work.

For each number of devices it prints the makespan, from the first start to the last end, beside its lower bound: the
longest chain of stages or the total work shared out evenly, whichever is more. No order of the stages can beat that.
"half of the cells" is when half of the results are there, as a share of the makespan.

A stage takes one device for as long as `python -m stilts_xtreme.plan` says: measured where it is done, else estimated.
With --xtreme-r durations are ASSUMED: 6 operations per parameter of the layers and token in training, 2 in evaluation
(Kaplan et al. 2020), with the published numbers of rows, a typical length for each format, and 1.5e14 operations a
second, about half of what an A100 has in bfloat16, whatever the size of the model.
"""

from __future__ import annotations

import heapq
import sys
from argparse import Namespace
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from stilts_xtreme.cell import estimate
from stilts_xtreme.cell.store import Store
from stilts_xtreme.core import compose
from stilts_xtreme.core.command import Parser, command
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.floors import Floors
from stilts_xtreme.core.schema import DataSpec
from stilts_xtreme.core.stage import Evaluation, Stage, Training
from stilts_xtreme.core.terminal import Plain, out, say, table
from stilts_xtreme.data.sources import source_of
from stilts_xtreme.sweep import planning
from stilts_xtreme.sweep.engine import Engine, Report
from stilts_xtreme.sweep.graph import Graph, Node, build
from stilts_xtreme.sweep.planning import planned_cells
from stilts_xtreme.sweep.trace import waits

DEVICES = tuple(2**power for power in range(10))
XTREME_R = (
    "model=xlmr_base,xlmr_large,xlmr_xl,xlmr_xxl",
    "benchmark=xtreme-r",
    "+intermediate=none,anli,mnli,qqp,squad_v1,squad_v2,hellaswag,ccg,cosmosqa,commonsenseqa,all",
    "+target=bucc2018,lareqa,mewsli_x,mlqa,panx,pawsx,tatoeba,tydiqa,udpos,xcopa,xnli,xquad",
    "seed=0,1,2,3,4",
    "recipe=phang2020",
    "data=synthetic",  # the licensed CCGbank and BUCC's dev rows are nowhere to be found; the stages are the same
    "evaluation.random_init=false",
    "trainer=cpu",  # no device is needed to plan
)
CCG_ROWS = 38_015
"""Training sentences of CCGbank in Phang et al. 2020, as ``conf/dataset/ccg.yaml`` has them; it declares no counts."""


class Clock:
    """An executor without work: a node takes its seconds on a clock of its own.

    Args:
        slots: How many nodes at once.
        fate: From a node's id to how its tries end, one after another: ``lost``, ``failed`` or ``busy``; then ``done``.
    """

    def __init__(self, slots: int, fate: Callable[[str], Iterator[str]] = lambda _: iter(())):
        self.slots, self.time = slots, 0.0
        self.fate = fate
        self.fates: dict[str, Iterator[str]] = {}
        self.empty = list(range(slots))
        self.running: list[tuple[float, int, str]] = []

    def now(self) -> float:
        """Seconds since the beginning."""
        return self.time

    def free(self) -> int:
        """Slots without a node."""
        return len(self.empty)

    def start(self, node: Node, made: Collection[str]) -> dict[str, Any]:
        """Takes a node."""
        slot = heapq.heappop(self.empty)
        heapq.heappush(self.running, (self.time + node.seconds, slot, node.id))
        return {"slot": slot}

    def wait(self, seconds: float) -> list[Report]:
        """Moves the clock to the next end, or on by so many seconds."""
        if not self.running or self.running[0][0] > self.time + seconds:
            self.time += seconds
            return []
        self.time, slot, id_ = heapq.heappop(self.running)
        heapq.heappush(self.empty, slot)
        kind = next(self.fates.setdefault(id_, self.fate(id_)), "done")
        return [Report(kind, id_, {"made": True, "slot": slot, "error": f"{id_} broke"})]


@dataclass(frozen=True)
class Simulated:
    """A sweep on a number of devices.

    Attributes:
        devices: The devices.
        makespan: Seconds from the first start to the last end.
        bound: The least that any order takes: the longest chain, or the total work on all devices.
        half: When half of the cells are there, in seconds.
        waits: Times when a device was free beside a ready node (:func:`.trace.waits`).
    """

    devices: int
    makespan: float
    bound: float
    half: float
    waits: int

    @property
    def ratio(self) -> float:
        """Makespan over its lower bound."""
        return self.makespan / self.bound if self.bound else 1.0


def simulate(graph: Graph, devices: int) -> Simulated:
    """Runs a graph on a clock."""
    clock = Clock(devices)
    events: list[dict[str, Any]] = [{"event": "launched", "time": 0.0, "slots": devices}]
    Engine(graph, clock, lambda name, data: events.append({"event": name, "time": clock.time, **data})).run()
    ends = [event["time"] for event in events if event["event"] == "done" and graph.nodes[event["node"]].kind == "cell"]
    nodes = [{"id": node.id, "parents": node.parents, "done": node.done} for node in graph.nodes.values()]
    bound = max(max(graph.tail.values(), default=0.0), graph.left() / devices)
    return Simulated(devices, clock.time, bound, median(ends) if ends else 0.0, len(waits(nodes, events)))


def published(stage: Stage) -> Stage:
    """A stage of the synthetic world with the numbers of rows that the real data sets have."""
    real = DataSpec("hub")
    if isinstance(stage, Evaluation | Floors):
        test = stage.target.test
        counts = {code: source_of(test, real).count("test", code) or 0 for code in stage.target.languages}
        return replace(stage, rows=counts)
    if not isinstance(stage, Training):
        return stage
    rows = {
        task.name: sum(
            CCG_ROWS if spec.name == "ccg" else source_of(spec, real).count("train", "en") or 0
            for spec in task.datasets
        )
        for task in stage.tasks
    }
    return replace(stage, rows=rows)


def assumed(graph: Graph) -> Graph:
    """A graph with durations from published numbers of rows, on GPUs."""
    nodes = []
    for node in graph.nodes.values():
        if node.stage is not None and node.cell is not None:
            stage = published(node.stage)
            seconds = estimate.besides(stage) + estimate.flops(node.cell, stage) / estimate.DEFAULT_RATE["gpu"]
            node = replace(node, seconds=seconds)
        nodes.append(node)
    return Graph(nodes)


def parser() -> Parser:
    """The options of the command."""
    parser = Parser(
        "sweep.simulate",
        str(__doc__),
        ["--xtreme-r", "'+intermediate=none,mnli' '+target=glob(*)' seed=0,1,2 --devices=2,4,8"],
    )
    parser.add_argument(
        "--xtreme-r",
        action="store_true",
        help="four sizes of XLM-R, no intermediate task, each of nine and all together, every target that there is, "
        "five seeds, recipe=phang2020; default: the options are the sweep",
    )
    powers = ",".join(map(str, DEVICES))
    parser.add_argument(
        "--devices", type=_devices, default=DEVICES, metavar="N,N,...", help=f"numbers of devices; default: {powers}"
    )
    parser.takes_a_run("the options of a multirun; python -m stilts_xtreme --help lists them")
    return parser


def _devices(text: str) -> tuple[int, ...]:
    parts = text.split(",")
    if not all(part.isdecimal() and int(part) for part in parts):
        raise StiltsError(
            f"--devices={text} is refused: it wants whole numbers of at least 1, such as --devices=1,8,64."
        )
    return tuple(int(part) for part in parts)


def _work(asked: Namespace) -> None:
    options = [*(XTREME_R if asked.xtreme_r else ()), *asked.options]
    planned, refused = planned_cells(compose.prepare(options, many=True))
    graph = build(planned, Store(planning.output_of(planned)))
    if asked.xtreme_r:
        graph = assumed(graph)
    show(graph, [simulate(graph, count) for count in asked.devices])
    for sentence in refused:
        say(f"left out: {sentence}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints how long a sweep would take."""
    return command(arguments, parser(), _work)


def show(graph: Graph, found: Sequence[Simulated]) -> None:
    """Prints makespans as a table."""
    cells = len(graph.nodes) - len(graph.stages())
    longest = max(graph.tail.values(), default=0.0)
    out(
        f"{cells} cells, {len(graph.stages())} distinct stages: {graph.left() / 3600:,.1f} device hours, of which the "
        f"longest chain takes {longest / 3600:,.1f}."
    )
    titles = ("devices", "makespan, h", "lower bound, h", "ratio", "half of the cells", "waits")
    drawn = table(*titles, right=titles)
    for one in found:
        hours = (f"{one.makespan / 3600:,.2f}", f"{one.bound / 3600:,.2f}")
        share = one.half / one.makespan if one.makespan else 0.0
        drawn.add_row(str(one.devices), *hours, f"{one.ratio:.3f}", f"{share:.0%}", str(one.waits))
    Plain().print(drawn)
    out("waits: how often a device was free although a stage was ready.")


if __name__ == "__main__":
    sys.exit(main())

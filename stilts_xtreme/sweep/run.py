"""Runs the jobs of a multirun as one graph, by what a launcher brings, and keeps the record of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stilts_xtreme.cell import following, preflight, reading, tracking
from stilts_xtreme.cell.config.machine import gpu_visible
from stilts_xtreme.cell.result import recalled
from stilts_xtreme.cell.run import read_ahead
from stilts_xtreme.cell.store import Store
from stilts_xtreme.cell.thinning import is_brief, let_go, weights
from stilts_xtreme.core.checks import refused
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.files import disk_errors
from stilts_xtreme.core.specs import Cell
from stilts_xtreme.core.terminal import say
from stilts_xtreme.report import finished
from stilts_xtreme.report.sweeps.state import State
from stilts_xtreme.sweep import planning, record
from stilts_xtreme.sweep.composer import Composer
from stilts_xtreme.sweep.engine import Engine, Executor, Listener, Tally
from stilts_xtreme.sweep.executors import local
from stilts_xtreme.sweep.graph import Graph, build
from stilts_xtreme.sweep.live import View
from stilts_xtreme.sweep.needs import awaited
from stilts_xtreme.sweep.planning import PlannedCell, Refusal

Begin = Callable[[Graph, Path, Listener, Listener], AbstractContextManager[tuple[Tally, int]]]
"""What a launcher brings.

It is given the graph, the sweep's folder, and two listeners: one whose events are recorded and shown, one that only
shows what has been recorded elsewhere. While the context lasts, what it yields can be run; the number is that of its
slots.
"""
MakeExecutor = Callable[[Graph, Path], tuple[Any, int]]
"""From the graph and the folder of the workers' output to an executor with a ``close()``, and its number of slots."""


def engine_on(make_executor: MakeExecutor, retries: int) -> Begin:
    """An engine on an executor.

    Args:
        make_executor: Brings the executor.
        retries: How often a stage is tried again after its worker died.
    """
    if isinstance(retries, bool) or not isinstance(retries, int) or retries < 0:
        raise refused("hydra.launcher.retries", retries, "it must be a whole number of at least 0")

    @contextmanager
    def begin(graph: Graph, folder: Path, tell: Listener, show: Listener) -> Iterator[tuple[Tally, int]]:
        executor, slots = make_executor(graph, folder / "logs")
        try:
            yield Engine(graph, executor, tell, retries), slots
        finally:
            executor.close()

    return begin


@dataclass
class Outcome:
    """What came of a sweep.

    Attributes:
        results: Of each cell, once: what its ``result.json`` holds.
        jobs: Of each job: its configuration, None where there is none, and its result or the error that ended it.
        errors: What went wrong, each sentence once.
        study: The study's settings; empty without.
        output: The output folder.
        record: The folder of the sweep; None where nothing had to be made, so that there is none.
    """

    results: list[dict[str, Any]]
    jobs: list[tuple[dict[str, Any] | None, dict[str, Any] | StiltsError]]
    errors: list[str]
    study: dict[str, Any]
    output: str
    record: Path | None = None


def run(
    jobs: Sequence[Sequence[str]],
    composer: Composer,
    begin: Begin,
    wanted: Callable[[Cell, str], None] | None = None,
) -> Outcome:
    """Plans and runs jobs.

    Args:
        jobs: The overrides of each.
        composer: Composes them.
        begin: Makes the stages.
        wanted: Refuses a cell without the score that a sweeper wants, by the cell and ``sweep.objective``.

    Returns:
        What came of it.

    Raises:
        StiltsError: When nothing at all can be run: no cell, or a folder that cannot be written.
    """
    planned: list[PlannedCell] = []
    refused: list[Refusal] = []
    for entry in planning.cells(jobs, composer.plain, say):
        if isinstance(entry, Refusal):
            refused.append(entry)
        else:
            planned.append(entry)
    if wanted is not None:
        planned, scoreless = _parted(planned, lambda entry: wanted(entry.cell, entry.config["sweep"]["objective"]))
        refused += scoreless
    planned, unreadable = _readable(planned)
    refused += unreadable
    failed: dict[str, str] = {}
    folder: Path | None = None
    if planned:
        planning.check_study(planned, refused)
        output = planning.output_of(planned)
        store = Store(output, planned[0].cell.on_damage)
        with disk_errors(Path(output)):
            shown = {entry.name: reading.finished(entry.planned, store, entry.name) for entry in planned}
        if all(shown.values()):
            say(reading.note(output))
            return _outcome(len(jobs), planned, refused, failed)
        preflight.check(output)
        name = planning.sweep_name(planned)
        distinct = {entry.name: entry for entry in planned}.values()
        tracking.check(tracking.goal(entry.cell, entry.config, name) for entry in distinct)
        folder = Path(output) / "sweeps" / name
        with disk_errors(Path(output)), store.lock(f"sweep-{name}", f"the sweep {name}", say):
            graph = build(planned, store, name)
            tally = _run_graph(graph, store, folder, record.describe(name, graph, planned, refused), begin)
        for entry in planned:
            cause = tally.cause(entry.name)
            if cause is not None:
                failed[entry.name] = cause
    outcome = replace(_outcome(len(jobs), planned, refused, failed), record=folder)
    if folder is not None and wanted is None and not outcome.study.get("axis"):  # a search and curves have no matrix
        entry = planned[0]
        following.send_matrix(tracking.goal(entry.cell, entry.config, folder.name), folder.name, outcome.results)
    return outcome


def _parted(
    planned: Sequence[PlannedCell], refuse: Callable[[PlannedCell], None]
) -> tuple[list[PlannedCell], list[Refusal]]:
    """Parts the cells that are refused from the others."""
    good, bad = [], []
    for entry in planned:
        try:
            refuse(entry)
            good.append(entry)
        except StiltsError as error:
            bad.append(Refusal(entry.job, entry.name, error))
    return good, bad


def _readable(planned: Sequence[PlannedCell]) -> tuple[list[PlannedCell], list[Refusal]]:
    """Parts the cells whose rows cannot be read from the others, before hours of training; reads each set once."""
    found: dict[str, StiltsError | None] = {}
    good, bad = [], []
    for entry in planned:
        try:
            read_ahead(entry.planned, Store(entry.cell.output, entry.cell.on_damage), found)
        except StiltsError as error:
            bad.append(Refusal(entry.job, entry.name, error))
        else:
            good.append(entry)
    return good, bad


def _run_graph(graph: Graph, store: Store, folder: Path, described: dict[str, Any], begin: Begin) -> Tally:
    stages = graph.stages()
    to_make = [node for node in stages if not node.done]
    there = {node.id for node in graph.nodes.values() if node.done}
    _release(graph, store, there, there, described["name"])  # what a killed sweep left
    progress = any(node.cell is not None and node.cell.trainer.progress for node in stages)
    count = len(described["cells"])
    if progress:
        say(
            f"{count} {'cell' if count == 1 else 'cells'}, {len(stages)} distinct stages, "
            f"{len(to_make)} of them to make; python -m stilts_xtreme.status {folder} shows how it stands"
        )
    state = State(described)
    writer = record.Record(folder, described)
    view = View(state, progress)

    def show(event: str, data: dict[str, Any]) -> None:
        view.tell(event, data)
        if event == "done":
            there.add(data["node"])
            _release(graph, store, there, [data["node"]], described["name"])

    def tell(event: str, data: dict[str, Any]) -> None:
        writer.tell(event, data)
        show(event, data)

    with ExitStack() as stack:
        stack.callback(writer.close)
        tally, slots = stack.enter_context(begin(graph, folder, tell, show))
        state.apply("launched", writer.launched(slots))
        stack.enter_context(view)
        tally.run()
        writer.tell("ended", {})
    made = sum(node.id in tally.made for node in to_make)
    lost = sum(node.id not in tally.done for node in to_make)
    say(
        f"{len(stages)} distinct stages, {len(to_make)} of them planned to be made: {made} made, "
        f"{len(stages) - made - lost} found, {lost} failed or not made because one before them failed."
    )
    return tally


def _release(graph: Graph, store: Store, there: set[str], ended: Collection[str], sweep: str) -> None:
    """Removes the weights that nothing of a sweep reads any more, where the user does not keep them.

    Args:
        graph: The graph of the sweep.
        store: Where its stages are.
        there: Ids of all nodes that are there.
        ended: Ids of those that have just ended, which may have been the last ones that needed something.
        sweep: The name of the sweep. What another one that is running waits for stays.
    """
    if all(node.cell is None or node.cell.kept_weights == "all" for node in graph.stages()):
        return
    going = []
    for id_ in dict.fromkeys(parent for each in ended for parent in graph.above(each)):
        stage, started = graph.nodes[id_].stage, [graph.nodes[child].stage for child in graph.children[id_]]
        brief = stage is not None and is_brief(stage, [each for each in started if each is not None])
        if brief and id_ in there and there >= set(graph.below(id_)) and weights(store, id_):
            going.append(id_)
    others = awaited(store, sweep) if going else set()
    for id_ in going:
        if id_ not in others:
            let_go(store, id_)


def _outcome(jobs: int, planned: Sequence[PlannedCell], refused: Sequence[Refusal], failed: dict[str, str]) -> Outcome:
    results: dict[str, dict[str, Any]] = {}
    by_job: dict[int | None, tuple[dict[str, Any] | None, dict[str, Any] | StiltsError]] = {}
    for entry in planned:
        if entry.name not in results and entry.name not in failed:
            try:
                found = finished.read_result(Path(entry.cell.output) / "cells" / entry.name)
                results[entry.name] = recalled(found, entry.planned, Store(entry.cell.output))
            except StiltsError as error:  # damaged since it was made or found; the others have results
                failed[entry.name] = str(error)
        if entry.name in failed:
            by_job[entry.job] = entry.config, StiltsError(failed[entry.name])
            continue
        by_job[entry.job] = entry.config, results[entry.name]
    for refusal in refused:
        by_job[refusal.job] = None, refusal.error
    errors = list(dict.fromkeys([*(str(entry.error) for entry in refused), *failed.values()]))
    study = (planned[0].config.get("study") or {}) if planned else {}
    output = planned[0].cell.output if planned else ""
    return Outcome(list(results.values()), [by_job[job] for job in range(jobs)], errors, study, output)


def local_executor(slots: object, threads: object) -> MakeExecutor:
    """Brings worker processes on this machine.

    Args:
        slots: ``hydra.launcher.slots``.
        threads: ``hydra.launcher.threads``.
    """
    count_of_threads = local.threads_of(threads)

    def make(graph: Graph, logs: Path) -> tuple[Executor, int]:
        uses_gpu = any(node.cell is not None and node.cell.trainer.accelerator == "gpu" for node in graph.stages())
        devices = local.gpus() if uses_gpu and gpu_visible() else []
        count = local.slots_of(slots, devices)
        return local.Local(count, count_of_threads, devices, logs), count

    local.slots_of(slots, [])  # a refusal comes before anything is planned
    return make

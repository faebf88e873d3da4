"""Runs the jobs of a multirun as one graph, on an executor that a launcher brings, and keeps the record of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stilts_xtreme import readiness
from stilts_xtreme.cell import read_test_rows
from stilts_xtreme.config import gpu_visible
from stilts_xtreme.errors import StiltsError
from stilts_xtreme.progress import say
from stilts_xtreme.store import Store, disk_errors
from stilts_xtreme.sweep import local, planning, record
from stilts_xtreme.sweep.engine import Engine, Executor
from stilts_xtreme.sweep.graph import Graph, build
from stilts_xtreme.sweep.live import View
from stilts_xtreme.sweep.planning import PlannedCell, Refusal

MakeExecutor = Callable[[Graph, Path], tuple[Any, int]]
"""From the graph and the folder of the workers' output to an executor with a ``close()``, and its number of slots."""


@dataclass
class Outcome:
    """What came of a sweep.

    Attributes:
        results: Of each cell, once: what its ``result.json`` holds.
        jobs: Of each job: its configuration, None where there is none, and its result or the error that ended it.
        errors: What went wrong, each sentence once.
        study: The study's settings; empty without.
        output: The output folder.
    """

    results: list[dict[str, Any]]
    jobs: list[tuple[dict[str, Any] | None, dict[str, Any] | StiltsError]]
    errors: list[str]
    study: dict[str, Any]
    output: str


def run(
    jobs: Sequence[Sequence[str]], composer: planning.Composer, make_executor: MakeExecutor, retries: int
) -> Outcome:
    """Plans and runs jobs.

    Args:
        jobs: The overrides of each.
        composer: Composes them.
        make_executor: Brings the executor.
        retries: How often a stage is tried again after its worker died.

    Returns:
        What came of it.

    Raises:
        StiltsError: When nothing at all can be run: no cell, or a folder that cannot be written.
    """
    planned: list[PlannedCell] = []
    refused: list[Refusal] = []
    for entry in planning.cells(jobs, composer.plain):
        if isinstance(entry, Refusal):
            refused.append(entry)
        else:
            planned.append(entry)
    planned, unreadable = _readable(planned)
    refused += unreadable
    failed: dict[str, str] = {}
    if planned:
        output = planning.output_of(planned)
        readiness.check(output)
        store = Store(output, planned[0].cell.on_damage)
        name = planning.sweep_name(planned)
        folder = Path(output) / "sweeps" / name
        with disk_errors(Path(output)), store.lock(f"sweep-{name}", f"the sweep {name}", say):
            graph = build(planned, store)
            engine = _run_graph(graph, folder, record.describe(name, graph, planned, refused), make_executor, retries)
        for entry in planned:
            cause = engine.cause(entry.name)
            if cause is not None:
                failed[entry.name] = cause
    return _outcome(len(jobs), planned, refused, failed)


def _readable(planned: Sequence[PlannedCell]) -> tuple[list[PlannedCell], list[Refusal]]:
    """Parts the cells whose test rows cannot be read from the others, before hours of training; reads each set once."""
    found: dict[str, StiltsError | None] = {}
    good, bad = [], []
    for entry in planned:
        cell, final = entry.cell, entry.planned.final
        # the evaluation without what it starts from
        where = json.dumps([final.identity["data"], final.languages]) if cell.target else ""
        store = Store(cell.output, cell.on_damage)
        if where not in found and cell.data.kind == "hub" and not store.done(final.key):
            found[where] = None
            try:
                read_test_rows(cell, entry.planned, store)
            except StiltsError as error:
                found[where] = error
        refused = found.get(where)
        if refused is None:
            good.append(entry)
        else:
            bad.append(Refusal(entry.job, entry.name, refused))
    return good, bad


def _run_graph(
    graph: Graph, folder: Path, described: dict[str, Any], make_executor: MakeExecutor, retries: int
) -> Engine:
    stages = graph.stages()
    to_make = [node for node in stages if not node.done]
    progress = any(node.cell is not None and node.cell.trainer.progress for node in stages)
    count = len(described["cells"])
    if progress:
        say(
            f"{count} {'cell' if count == 1 else 'cells'}, {len(stages)} distinct stages, "
            f"{len(to_make)} of them to make; python -m stilts_xtreme.status {folder} shows how it stands"
        )
    state = record.State(described)
    writer = record.Record(folder, described)
    with ExitStack() as stack:
        stack.callback(writer.close)
        executor, slots = make_executor(graph, folder / "logs")
        stack.callback(executor.close)
        state.apply("launched", writer.launched(slots))
        view = stack.enter_context(View(state, progress))

        def tell(event: str, data: dict[str, Any]) -> None:
            writer.tell(event, data)
            view.tell(event, data)

        engine = Engine(graph, executor, tell, retries)
        engine.run()
        writer.tell("ended", {})
    made = sum(node.id in engine.made for node in to_make)
    lost = sum(node.id not in engine.done for node in to_make)
    say(
        f"{len(stages)} distinct stages, {len(to_make)} of them planned to be made: {made} made, "
        f"{len(stages) - made - lost} found, {lost} failed or not made because one before them failed."
    )
    return engine


def _outcome(jobs: int, planned: Sequence[PlannedCell], refused: Sequence[Refusal], failed: dict[str, str]) -> Outcome:
    results: dict[str, dict[str, Any]] = {}
    by_job: dict[int | None, tuple[dict[str, Any] | None, dict[str, Any] | StiltsError]] = {}
    for entry in planned:
        if entry.name in failed:
            by_job[entry.job] = entry.config, StiltsError(failed[entry.name])
            continue
        if entry.name not in results:
            path = Path(entry.cell.output) / "cells" / entry.name / "result.json"
            results[entry.name] = json.loads(path.read_text(encoding="utf-8"))
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
    if threads is not None and (isinstance(threads, bool) or not isinstance(threads, int) or threads < 1):
        raise StiltsError(
            f"hydra.launcher.threads={threads} is refused: it must be null or a whole number of at least 1."
        )

    def make(graph: Graph, logs: Path) -> tuple[Executor, int]:
        uses_gpu = any(node.cell is not None and node.cell.trainer.accelerator == "gpu" for node in graph.stages())
        devices = local.gpus() if uses_gpu and gpu_visible() else []
        count = local.slots_of(slots, devices)
        return local.Local(count, threads, devices, logs), count

    local.slots_of(slots, [])  # a refusal comes before anything is planned
    return make

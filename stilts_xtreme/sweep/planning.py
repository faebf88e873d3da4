"""From the jobs of a multirun to checked cells with their plans, and the controls of their study."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from stilts_xtreme.cell.config import CONTROLS, make_cell
from stilts_xtreme.cell.config.phases import passed_over
from stilts_xtreme.cell.plan import CellPlan, plan
from stilts_xtreme.cell.result import name_of
from stilts_xtreme.cell.rows import source_language
from stilts_xtreme.core import compose
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.specs import Cell, ModelSpec
from stilts_xtreme.core.stage import Evaluation
from stilts_xtreme.core.terminal import say
from stilts_xtreme.sweep.composer import jobs_of
from stilts_xtreme.sweep.narrowing import narrowed

Made = TypeVar("Made")

NAMED = {"random": "model.weights=random"}
"""Controls of a study by a name -> the option that they set."""


@dataclass(frozen=True)
class PlannedCell:
    """A cell of a sweep.

    Attributes:
        job: Position of the job that asks for it; None for a control of the study.
        name: The cell's name, which is that of its folder.
        config: The composed configuration, plain.
        planned: The cell and its stages.
    """

    job: int | None
    name: str
    config: dict[str, Any]
    planned: CellPlan

    @property
    def cell(self) -> Cell:
        """The cell."""
        return self.planned.cell


@dataclass(frozen=True)
class Refusal:
    """A job that is no cell: why."""

    job: int | None
    what: str
    error: StiltsError


def cells(
    jobs: Sequence[Sequence[str]],
    plain: Callable[[Sequence[str]], dict[str, Any]],
    tell: Callable[[str], None] | None = None,
) -> Iterator[PlannedCell | Refusal]:
    """Plans every job, and the controls of its study (:func:`controls`).

    Args:
        jobs: The overrides of each job.
        plain: Composes (:meth:`Composer.plain`).
        tell: Is told of languages that a target lacks (:func:`~stilts_xtreme.sweep.narrowing.narrowed`), and of options
            that change nothing.

    Yields:
        For each job, then for each control, a cell or why it is none. A cell that several jobs ask for comes for each.
    """
    composed = [(job, " ".join(overrides), attempted(plain, overrides)) for job, overrides in enumerate(jobs)]
    configs, said = narrowed([found for *_, found in composed if not isinstance(found, StiltsError)])
    if tell is not None:
        for sentence in said:
            tell(sentence)
    controlled, vain = [], dict[str, None]()
    for job, what, found in composed:
        if isinstance(found, StiltsError):
            yield Refusal(job, what, found)
            continue
        config = configs.pop(0)
        planned = attempted(planned_cell, config, job)
        if isinstance(planned, StiltsError):
            yield Refusal(job, what, planned)
            continue
        for sentence in passed_over(config, jobs[job]):
            if tell is not None and sentence not in vain:
                tell(f"warning: {sentence}")
            vain[sentence] = None
        yield planned
        controlled += [(f"{what} {option}", changed) for option, changed in controls(config)]
    for what, config in controlled:
        try:
            yield planned_cell(config)
        except StiltsError as error:
            yield Refusal(None, what, error)


def attempted(make: Callable[..., Made], *values: object) -> Made | StiltsError:
    """What a function makes of values, or the sentence that says why it makes nothing."""
    try:
        return make(*values)
    except Exception as error:
        known = compose.sentence(error)
        if known is None:
            raise
        return known


def planned_cell(config: dict[str, Any], job: int | None = None) -> PlannedCell:
    """A cell with its plan.

    Args:
        config: The composed configuration, plain.
        job: Position of the job that asks for it.

    Raises:
        StiltsError: The configuration is refused.
    """
    cell = make_cell(config)
    planned = plan(cell)
    return PlannedCell(job, name_of(cell, planned), config, planned)


def controls(config: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The controls of a study that belong to a cell.

    ``random``, and any option such as ``model.weights=random``, belongs to the cells without an intermediate task, in
    which it is set besides; ``placebo`` and the like belong to those with one. Cells without a target have none.

    Args:
        config: The composed configuration of the cell, plain.

    Yields:
        Each option, and the configuration in which it is set.
    """
    from omegaconf import OmegaConf

    if not config.get("target") or config.get("control"):
        return
    for named in (config.get("study") or {}).get("controls") or ():
        option = f"control={named}" if named in CONTROLS else NAMED.get(named, named)
        if (named in CONTROLS) != bool(config.get("intermediate")):
            continue
        if named == "steps" and not config["target"].get("train"):  # nothing is trained that could be longer
            continue
        merged = OmegaConf.merge(OmegaConf.create(copy.deepcopy(dict(config))), OmegaConf.from_dotlist([option]))
        yield option, OmegaConf.to_container(merged)  # type: ignore[misc]


def check_study(planned: Sequence[PlannedCell], refused: Sequence[Refusal] = ()) -> None:
    """Refuses the cells of a study with an analysis that they cannot answer.

    Args:
        planned: The cells.
        refused: Those that were refused, which may be why others do not answer it.

    Raises:
        StiltsError: There is no such analysis, or cells are missing: where some were refused, why.
    """
    analysis = (planned[0].config.get("study") or {}).get("analysis") if planned else None
    if analysis is None:
        return
    from stilts_xtreme.report import studies  # with scipy, which takes a second

    asked = [
        studies.Planned(
            _encoder(entry.cell.model),
            "+".join(entry.cell.intermediate) or "none",
            entry.cell.target.name,
            entry.cell.seed,
            entry.cell.volume,
            entry.cell.shots.k if entry.cell.shots else 0,
            entry.cell.shots.draw if entry.cell.shots else 0,
            entry.cell.target.head,
            entry.cell.target.test.parallel or entry.cell.synthetic,
            entry.planned.final.languages if isinstance(entry.planned.final, Evaluation) else (),
            source_language(entry.cell, entry.cell.target),
        )
        for entry in planned
        if entry.job is not None and entry.cell.target is not None
    ]
    try:
        studies.check(analysis, asked)
    except StiltsError as error:
        raise (refused[0].error if refused else error) from error


def _encoder(model: ModelSpec) -> str:
    """What tells encoders apart before they are loaded: the name; of one pretrained here also shape and languages."""
    shape = model.architecture or {}
    parts = [" x ".join(str(shape[key]) for key in ("num_hidden_layers", "hidden_size") if key in shape)]
    if model.architecture is not None and model.languages is not None:
        parts.append(" ".join(sorted(model.languages)))
    return f"{model.label} ({', '.join(filter(None, parts))})" if any(parts) else model.label


def sweep_name(planned: Sequence[PlannedCell]) -> str:
    """The name of a sweep: its study, its encoders, and eight digits of its cells' names."""
    study = (planned[0].config.get("study") or {}).get("name", "sweep")
    models = sorted({entry.cell.model.label.replace("/", "-") for entry in planned})
    digest = hashlib.sha256(" ".join(sorted({entry.name for entry in planned})).encode()).hexdigest()[:8]
    return "-".join([study, *models[:3], digest])


def output_of(planned: Sequence[PlannedCell]) -> str:
    """The one output folder of a sweep.

    Raises:
        StiltsError: When cells differ in it.
    """
    found = sorted({entry.cell.output for entry in planned})
    if len(found) > 1:
        raise StiltsError(
            f"output={','.join(found)} is refused: the cells of a sweep share their stages in one output folder."
        )
    return found[0]


def planned_cells(options: Sequence[str]) -> tuple[list[PlannedCell], list[str]]:
    """The cells of a prepared command line as a multirun would have them, and why others are refused.

    Raises:
        StiltsError: When it has no cell.
    """

    def plan() -> list[PlannedCell | Refusal]:
        jobs, composer = jobs_of(options)
        with composer.machine():
            return list(cells(jobs, composer.plain, say))

    found = compose.with_hydra(plan)
    planned = [entry for entry in found if isinstance(entry, PlannedCell)]
    refusals = [entry for entry in found if isinstance(entry, Refusal)]
    refused = list(dict.fromkeys(str(entry.error) for entry in refusals))
    if not planned:
        raise StiltsError(refused[0] if refused else "The sweep has no cell.")
    check_study(planned, refusals)
    return planned, refused

"""From the jobs of a multirun to checked cells with their plans, with as few compositions as possible.

A composition takes Hydra a tenth of a second, whatever changes. What an option such as ``seed=1`` changes does not need
one: Hydra, too, composes the chosen files first and sets the options afterwards, in their order. So each distinct
choice of files is composed once, and the options are set on a copy.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from stilts_xtreme import compose
from stilts_xtreme.cell import name_of
from stilts_xtreme.config import make_cell
from stilts_xtreme.ending import changed
from stilts_xtreme.errors import StiltsError
from stilts_xtreme.plan import CellPlan, plan
from stilts_xtreme.specs import Cell


@dataclass(frozen=True)
class PlannedCell:
    """A cell of a sweep.

    Attributes:
        job: Position of the job that asks for it; None for a control of the study.
        name: The cell's name, which is that of its folder.
        config: The composed configuration, plain.
        cell: The cell.
        planned: Its stages.
    """

    job: int | None
    name: str
    config: dict[str, Any]
    cell: Cell
    planned: CellPlan


@dataclass(frozen=True)
class Refusal:
    """A job that is no cell: why."""

    job: int | None
    what: str
    error: StiltsError


class Composer:
    """Composes the jobs of one multirun.

    Args:
        loader: Hydra's config loader.
        master: The configuration of the multirun itself.

    Attributes:
        compositions: How often Hydra has composed.
    """

    def __init__(self, loader: Any, master: Any):
        self.loader, self.master = loader, master
        self.compositions = 0
        self.bases: dict[tuple[str, ...], Any] = {}
        self._parse = lru_cache(maxsize=None)(self._parse_one)

    def _parse_one(self, text: str) -> tuple[Any, bool]:
        """An override, and whether it takes part in the choice of files."""
        from hydra.core.override_parser.overrides_parser import OverridesParser

        (override,) = OverridesParser.create(config_loader=self.loader).parse_overrides([text])
        key = override.key_or_group
        option = not (override.is_delete() or override.package or override.is_hydra_override())
        return override, not option or key.startswith("hydra") or bool(
            self.loader.list_groups(key) or self._is_group(key)
        )

    def _is_group(self, key: str) -> bool:
        return bool(self.loader.get_group_options(key))

    def plain(self, overrides: Sequence[str]) -> dict[str, Any]:
        """The configuration of a job, resolved, as plain containers."""
        from omegaconf import OmegaConf

        parsed = [self._parse(text) for text in overrides]
        chosen = tuple(text for text, (_, files) in zip(overrides, parsed, strict=True) if files)
        if chosen not in self.bases:
            self.compositions += 1
            base = self.loader.load_sweep_config(self.master, list(chosen))
            OmegaConf.set_readonly(base, False)
            OmegaConf.set_struct(base, False)
            del base["hydra"]
            OmegaConf.set_struct(base, True)
            self.bases[chosen] = base
        cfg = copy.deepcopy(self.bases[chosen])
        self.loader._apply_overrides_to_config([override for override, files in parsed if not files], cfg)
        return OmegaConf.to_container(cfg, resolve=True)  # type: ignore[return-value]


def cells(
    jobs: Sequence[Sequence[str]], plain: Callable[[Sequence[str]], dict[str, Any]]
) -> Iterator[PlannedCell | Refusal]:
    """Plans every job, and the controls of its study.

    A control is the cell without an intermediate task with an option of the study set besides, such as
    ``model.weights=random``.

    Args:
        jobs: The overrides of each job.
        plain: Composes (:meth:`Composer.plain`).

    Yields:
        For each job, then for each control, a cell or why it is none. A cell that several jobs ask for comes for each.
    """
    controls = []
    for job, overrides in enumerate(jobs):
        what = " ".join(overrides)
        try:
            config = plain(overrides)
            found = _planned(job, config)
        except Exception as error:
            known = compose.sentence(error)
            if known is None:
                raise
            yield Refusal(job, what, known)
            continue
        yield found
        if found.cell.target is not None and not found.cell.intermediate:
            options = (config.get("study") or {}).get("controls") or ()
            controls += [(f"{what} {option}", changed(config, option)) for option in options]
    for what, config in controls:
        try:
            yield _planned(None, config)
        except StiltsError as error:
            yield Refusal(None, what, error)


def _planned(job: int | None, config: dict[str, Any]) -> PlannedCell:
    cell = make_cell(config)
    planned = plan(cell)
    return PlannedCell(job, name_of(cell, planned), config, cell, planned)


def sweep_name(planned: Sequence[PlannedCell]) -> str:
    """The name of a sweep: its study, its encoders, and eight digits of its cells' names."""
    study = (planned[0].config.get("study") or {}).get("name", "sweep")
    models = sorted({entry.cell.model.name for entry in planned})
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


def jobs_of(arguments: Sequence[str]) -> tuple[list[list[str]], Composer]:
    """The jobs of a prepared command line as a multirun would have them, without running it.

    Returns:
        The overrides of each job, and their composer. Must be called with Hydra initialised.
    """
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.types import RunMode

    hydra = GlobalHydra.instance().hydra
    assert hydra is not None
    loader = hydra.config_loader
    master = loader.load_configuration("config", list(arguments), RunMode.MULTIRUN, from_shell=False)
    params = [f"{key}={value}" for key, value in (master.hydra.sweeper.get("params") or {}).items()]
    task = [str(text) for text in master.hydra.overrides.task]
    overrides = OverridesParser.create(config_loader=loader).parse_overrides([*params, *task])
    (batch,) = BasicSweeper.split_arguments(overrides, None)
    return batch, Composer(loader, master)

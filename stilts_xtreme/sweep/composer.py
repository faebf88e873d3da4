"""Composes the jobs of a multirun with as few compositions by Hydra as possible.

A composition takes Hydra a tenth of a second, whatever changes. An option such as ``seed=1`` does not need one: Hydra,
too, composes the chosen files first and sets options afterwards, in their order. Nor does every pair of an intermediate
and a target task: each is composed alone, and what they add is joined (:meth:`Composer._join_parts`). So there are as
many compositions as choices for a model, not as combinations.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from stilts_xtreme.core import compose

Plain = dict[str, Any]


@dataclass(frozen=True)
class _Composed:
    """A composition by Hydra: its configuration, plain, and which file each group chose."""

    config: Any
    plain: Plain
    choices: dict[str, Any]
    references: bool  # whether a value is taken from another place of the configuration


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
        self.folders = compose.folders_of(master.hydra)
        self.compositions = 0
        self._parse = lru_cache(maxsize=None)(self._parse_one)
        self._compose = lru_cache(maxsize=None)(self._compose_one)
        self._join = lru_cache(maxsize=None)(self._join_parts)

    def machine(self) -> AbstractContextManager[None]:
        """The context in which the launcher has cells checked; for this machine where it has none of its own."""
        from hydra.utils import instantiate

        launcher = instantiate(self.master.hydra.launcher)
        found: AbstractContextManager[None] = getattr(launcher, "machine", nullcontext)()
        return found

    def _parse_one(self, text: str) -> tuple[Any, bool]:
        """An override, and whether it takes part in the choice of files."""
        from hydra.core.override_parser.overrides_parser import OverridesParser

        (override,) = OverridesParser.create(config_loader=self.loader).parse_overrides([text])
        option = not (override.is_delete() or override.package or override.is_hydra_override())
        return override, not option or self._is_group(override.key_or_group)

    def _is_group(self, key: str) -> bool:
        return bool(self.loader.list_groups(key) or self.loader.get_group_options(key))

    def _compose_one(self, chosen: tuple[str, ...]) -> _Composed:
        from omegaconf import OmegaConf, open_dict

        self.compositions += 1
        config = self.loader.load_sweep_config(self.master, list(chosen))
        choices = dict(config.hydra.runtime.choices)
        with open_dict(config):
            del config["hydra"]
        raw = str(OmegaConf.to_container(config, resolve=False)).replace("${oc.env:", "")
        plain: Plain = OmegaConf.to_container(config, resolve=True)  # type: ignore[assignment]
        return _Composed(config, plain, choices, "${" in raw)

    def _join_parts(self, chosen: tuple[str, ...]) -> Plain | None:
        """The configuration of groups added with '+', from compositions with one of them each.

        It is what Hydra would compose, which merges files value by value, when no addition changes the choice of
        another group and no two set a value differently. None where that does not hold.
        """
        added = [text for text in chosen if self._parse(text)[0].is_add()]
        groups = [self._parse(text)[0].key_or_group for text in added]
        if len(added) < 2 or len(set(groups)) < len(groups) or not all(map(self._is_group, groups)):
            return None
        try:
            base = self._compose(tuple(text for text in chosen if text not in added))
            parts = [self._compose(tuple(text for text in chosen if text not in added or text == one)) for one in added]
        except Exception as error:
            if compose.sentence(error) is None:
                raise
            return None  # what is wrong with the whole, its own composition says
        before = dict(_leaves(base.plain))
        changed: dict[tuple[str, ...], Any] = {}
        for part in parts:
            after = dict(_leaves(part.plain))
            if part.references or base.choices.items() - part.choices.items() or before.keys() - after.keys():
                return None
            for path, value in after.items():
                if path in before and _same(before[path], value):
                    continue
                if not _same(changed.setdefault(path, value), value):
                    return None
        return _tree({**before, **changed})

    def plain(self, overrides: Sequence[str]) -> Plain:
        """The configuration of a job, resolved, as plain containers."""
        return compose.located(self._plain(overrides), self.folders)

    def _plain(self, overrides: Sequence[str]) -> Plain:
        from omegaconf import OmegaConf

        parsed = [self._parse(text) for text in overrides]
        chosen = tuple(text for text, (_, files) in zip(overrides, parsed, strict=True) if files)
        options = [override for override, files in parsed if not files]
        joined = self._join(chosen)
        if joined is None and not self._compose(chosen).references:
            joined = self._compose(chosen).plain
        if joined is not None:
            found = copy.deepcopy(joined)
            if all(_set(found, option) for option in options):
                return found
        config = copy.deepcopy(self._compose(chosen).config)
        self.loader._apply_overrides_to_config(options, config)
        return OmegaConf.to_container(config, resolve=True)  # type: ignore[return-value]


def _same(one: object, other: object) -> bool:
    return type(one) is type(other) and one == other


def _leaves(tree: Plain, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Path and value of all that is no mapping with something in it."""
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, (*path, key))
        else:
            yield (*path, key), value


def _tree(leaves: dict[tuple[str, ...], Any]) -> Plain | None:
    """The tree of leaves; None where one of them is in the way of another."""
    tree: Plain = {}
    for path, value in leaves.items():
        place = tree
        for at, key in enumerate(path[:-1]):
            if path[: at + 1] in leaves:
                return None
            place = place.setdefault(key, {})
        place[path[-1]] = value
    return tree


def _set(config: Plain, override: Any) -> bool:
    """Sets a simple value in the place of another; False, and nothing done, for all that Hydra has more rules for."""
    value = override.value()
    simple = value is None or isinstance(value, bool | int | float) or (isinstance(value, str) and "${" not in value)
    if not simple or value == "???" or override.is_add() or override.is_delete():
        return False
    *path, last = override.key_or_group.split(".")
    place: Any = config
    for key in path:
        place = place.get(key) if isinstance(place, dict) else None
    if not isinstance(place, dict) or last not in place or isinstance(place[last], dict | list):
        return False
    place[last] = value
    return True


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

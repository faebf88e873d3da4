"""How long stages took that are in a store and that a plan does not name: what the estimates of a plan learn from."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, TypeVar

from stilts_xtreme.cell.manifests import is_newer
from stilts_xtreme.cell.store import Store
from stilts_xtreme.core.stage import Stage

S = TypeVar("S", bound=Stage)


class Measured:
    """The finished stages of a store. They are read when something is first asked.

    Args:
        store: The store.
    """

    def __init__(self, store: Store):
        self.store = store

    def alike(self, stage: Stage, accelerator: str) -> float | None:
        """The mean seconds of the stages that differ from one in nothing but the seed; None without any.

        Args:
            stage: The stage.
            accelerator: ``cpu`` or ``gpu``; stages that were made on the other one do not count.
        """
        found = [self._manifests.get(with_seed(stage, seed).key) for seed in self._seeds]
        here = [manifest for manifest in found if manifest is not None and _made_on(manifest) == accelerator]
        seconds = [manifest["made"]["seconds"] for manifest in here]
        return sum(seconds) / len(seconds) if seconds else None

    def trainings(self, model: str, precision: str, accelerator: str) -> Iterator[dict[str, Any]]:
        """The manifests of the trainings of one encoder.

        Args:
            model: The encoder's label.
            precision: As Lightning names it.
            accelerator: ``cpu`` or ``gpu``.
        """
        for manifest in self._manifests.values():
            axes = manifest["info"].get("axes") or {}
            found = (axes.get("model"), axes.get("precision"), _made_on(manifest))
            if manifest["kind"] == "train" and found == (model, precision, accelerator):
                yield manifest

    @cached_property
    def _manifests(self) -> dict[str, dict[str, Any]]:
        keys = sorted(path.name for path in self.store.root.glob("stages/[!.]*"))
        found = {key: self.store.manifest(key) for key in keys}
        return {key: each for key, each in found.items() if each is not None and not is_newer(each)}

    @cached_property
    def _seeds(self) -> list[int]:
        axes = [manifest["info"].get("axes") or {} for manifest in self._manifests.values()]
        return sorted({each["seed"] for each in axes if isinstance(each.get("seed"), int)})


def _made_on(manifest: Mapping[str, Any]) -> str:
    return "gpu" if "gpu" in (manifest["info"].get("hardware") or {}) else "cpu"


def with_seed(stage: S, seed: int) -> S:
    """A stage as it is planned with another seed, its ancestors too."""
    changed: dict[str, Any] = {}
    for field in dataclasses.fields(stage):
        value = getattr(stage, field.name)
        if field.name == "seed" and value is not None:
            changed["seed"] = seed
        elif isinstance(value, Stage):
            changed[field.name] = with_seed(value, seed)
        elif isinstance(value, tuple) and value and all(isinstance(each, Stage) for each in value):
            changed[field.name] = tuple(with_seed(each, seed) for each in value)
    return dataclasses.replace(stage, **changed)

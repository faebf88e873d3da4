"""The tasks of the package by name: what they train on and what they are evaluated on."""

from __future__ import annotations

from dataclasses import dataclass

import yaml

from stilts_xtreme.core.conf import CONF
from stilts_xtreme.core.errors import unknown
from stilts_xtreme.core.schema import DatasetSpec, DataSpec
from stilts_xtreme.data import catalogue


@dataclass(frozen=True)
class Task:
    """A task of the package: what it trains on and what it is evaluated on."""

    name: str
    head: str
    metric: str
    train: tuple[DatasetSpec, ...]
    test: DatasetSpec | None
    candidates: DatasetSpec | None


def task_of(name: str, train_on: str | None = None) -> Task:
    """A target or intermediate task of the package by the name of its YAML.

    Args:
        name: The name of the YAML.
        train_on: Which of a target's training sets; None: the last one.

    Raises:
        StiltsError: When there is no such task, or no such training set.
    """
    found = {path.stem: path for group in ("intermediate", "target") for path in (CONF / group).glob("*.yaml")}
    read = {stem: yaml.safe_load(path.read_text(encoding="utf-8")) for stem, path in found.items()}
    read = {stem: values for stem, values in read.items() if values and "head" in values}
    if name not in read:
        raise unknown("task", name, read)
    values = read[name]
    target = "test" in values
    train = values["train"] if target else values["datasets"]
    if target and train_on is not None and train_on not in train:
        raise unknown(f"train_on of {name}", train_on, train)
    if target:
        train = [train_on] if train_on is not None else train[-1:]
    return Task(
        name=values.get("name", name),
        head=values["head"],
        metric=values["metric"],
        train=tuple(map(catalogue.load_spec, train)),
        test=catalogue.load_spec(values["test"]) if target else None,
        candidates=catalogue.load_spec(values["candidates"]) if values.get("candidates") else None,
    )


def data_of(data: str | DataSpec) -> DataSpec:
    """Where the rows of the package's tasks come from.

    Args:
        data: ``synthetic``, ``hub``, a folder that is laid out like the hub, or a :class:`DataSpec`.
    """
    if isinstance(data, DataSpec):
        return data
    if data == "synthetic":
        return DataSpec(**yaml.safe_load((CONF / "data" / "synthetic.yaml").read_text(encoding="utf-8")))
    return DataSpec("hub", None if data == "hub" else data)

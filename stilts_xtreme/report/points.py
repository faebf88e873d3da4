"""The cells of a study by size or by volume as points: from their results, to a CSV file and back."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.text import csv_plain, csv_table
from stilts_xtreme.report.labels import control, identity, labels, meaningless

POINTS = "scaling.csv"
AXES = {"size": ("equal tokens", "equal compute"), "volume": ("equal steps", "equal passes")}
"""What an axis is -> what may be held equal along it: first what is the same, then what is in proportion."""


@dataclass(frozen=True)
class Point:
    """One cell: a target after an intermediate task, or the baseline.

    Attributes:
        axis: ``size`` or ``volume``.
        cell: The cell's name.
        parameters: Of the encoder; ``body`` are those outside of its embedding.
        pretraining_steps: Of an encoder that was pretrained here; so are the next four.
        token_budget: Steps times the tokens of a step, padding included.
        step_flops: Operations of a step at the most.
        tokens: Tokens that it saw.
        flops: Operations for these (:func:`stilts_xtreme.models.flops.flops_per_token`).
        intermediate: Its tasks, or ``none``.
        examples: Distinct intermediate examples.
        steps: Steps that they were trained for.
        batches: Steps of one pass over them.
        value: Mean score over the languages other than the source; so are the next three.
        baseline: Without the intermediate task, same encoder and seed.
        gain: The first less the second.
        floor: Of the best scores without a model.
        collapsed: Whether a training of the cell or of its baseline collapsed or found nothing. Then what means
            nothing is None.
        encoder_key: What the encoder is, whatever its name; empty where an earlier version did not record it.
        setting: What else the scores depend on, such as recipe and languages; empty as above.
    """

    axis: str
    cell: str
    model: str
    parameters: int | None
    body: int | None
    pretraining_steps: int | None
    token_budget: int | None
    step_flops: float | None
    tokens: int | None
    flops: float | None
    intermediate: str
    examples: int | None
    steps: int | None
    batches: int | None
    target: str
    seed: int
    value: float | None
    baseline: float | None
    gain: float | None
    floor: float | None
    collapsed: bool
    synthetic: bool
    encoder_key: str = ""
    setting: str = ""

    def encoder(self) -> tuple[str, int | None, int | None]:
        """What tells encoders apart."""
        return self.model, self.parameters, self.pretraining_steps

    def trained(self) -> tuple[Any, ...]:
        """What tells the places on an axis apart that belong to one intermediate task."""
        return (*self.encoder(), self.intermediate, self.examples, self.steps)

    def x(self) -> int | None:
        """Where it is on its axis."""
        return self.parameters if self.axis == "size" else self.examples

    def range(self, held: str) -> tuple[float, float] | None:
        """From and to which budget its training would have come out as long as it did; None where that is not known."""
        if self.axis == "size":
            if self.pretraining_steps is None or self.token_budget is None or self.step_flops is None:
                return None
            if held == "equal tokens":
                return self.token_budget, self.token_budget
            return self.pretraining_steps * self.step_flops, (self.pretraining_steps + 1) * self.step_flops
        if self.steps is None or not self.batches:
            return None
        if held == "equal steps":
            return self.steps, self.steps
        return (self.steps - 0.5) / self.batches, (self.steps + 0.5) / self.batches


def points(results: Iterable[Mapping[str, Any]], axis: str) -> list[Point]:
    """The points of results; cells without a target, controls and translated test rows are passed over."""
    found = {}
    kept = [result for result in results if result["target"] and not (control(result) or result.get("translate_test"))]
    if axis == "volume":
        kept = [{**result, "volume": None} for result in kept]
    for result, label in zip(kept, labels(kept), strict=True):
        scale, averages = result.get("scale") or {}, result["averages"]
        pretrained, trained = scale.get("pretraining") or {}, scale.get("intermediate") or {}

        def mean(column: str, averages: Mapping[str, float] = averages) -> float | None:
            return averages.get(f"zero_shot_{column}", averages.get(f"all_{column}"))

        nothing, of_baseline = meaningless(result), bool(result.get("baseline_collapsed"))
        value = None if nothing else mean("value")
        found[result["cell"]] = Point(
            axis=axis,
            cell=result["cell"],
            model=label.encoder,
            parameters=scale.get("parameters"),
            body=scale.get("body"),
            pretraining_steps=pretrained.get("steps"),
            token_budget=pretrained.get("token_budget"),
            step_flops=pretrained.get("step_flops"),
            tokens=pretrained.get("tokens"),
            flops=pretrained.get("flops"),
            intermediate=label.before,
            examples=trained.get("examples"),
            steps=trained.get("steps"),
            batches=trained.get("batches"),
            target=label.column,
            seed=result["seed"],
            value=value,
            baseline=value if not result["intermediate"] else None if of_baseline else mean("baseline"),
            gain=mean("gain") if result["intermediate"] and not (nothing or of_baseline) else None,
            floor=mean("floor"),
            collapsed=bool(result["collapsed"]) or of_baseline,
            synthetic=result["synthetic"],
            encoder_key=identity(result, "encoder") or "",
            setting=identity(result, "rest") or "",
        )
    return list(found.values())


def table(found: Sequence[Point]) -> str:
    """All points as CSV."""
    return csv_table([field.name for field in fields(Point)], [asdict(point) for point in found])


def read(path: Path) -> list[Point]:
    """The points of a CSV file that :func:`table` wrote.

    Raises:
        StiltsError: When it is not there or is another one.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return [_point(line) for line in csv.DictReader(file)]
    except OSError as error:
        raise StiltsError(
            f"{path} cannot be read: {error.strerror}; name a folder of a study by size or volume."
        ) from error
    except (KeyError, ValueError, TypeError) as error:
        raise StiltsError(f"{path} is not the table of a study by size or volume: {error}.") from error


def _point(line: Mapping[str, str]) -> Point:
    def value(name: str, kind: str) -> Any:
        text = line[name] if name not in ("encoder_key", "setting") else line.get(name) or ""  # an earlier version's
        if kind == "bool":
            return text == "True"
        if text == "" and "None" in kind:
            return None
        return int(text) if kind.startswith("int") else float(text) if kind.startswith("float") else csv_plain(text)

    return Point(**{field.name: value(field.name, str(field.type)) for field in fields(Point)})


def together(parts: Iterable[Sequence[Point]]) -> list[Point]:
    """The points of several sweeps, those of a cell that they share once.

    Raises:
        StiltsError: When they are of different axes.
    """
    every = list({point.cell: point for part in parts for point in part}.values())
    axes = sorted({point.axis for point in every})
    if len(axes) != 1:
        raise StiltsError(f"{' and '.join(axes) or 'no points'} cannot be drawn together; name sweeps of one study.")
    meanings: dict[tuple[Any, ...], set[str]] = {}
    for point in every:
        if point.encoder_key:
            meanings.setdefault(point.encoder(), set()).add(point.encoder_key)
    return [
        replace(point, model=f"{point.model} ({point.encoder_key[:8]})")
        if point.encoder_key and len(meanings[point.encoder()]) > 1
        else point
        for point in every
    ]

"""What the intermediate phase of a cell mixes: tasks, masked language modelling, translated rows, trained encoders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Languages = Literal["available"] | tuple[str, ...]
"""Those that are there, or codes."""


@dataclass(frozen=True)
class Sampling:
    """How the tasks of a joint training share its steps; see ``conf/config.yaml``."""

    kind: str = "proportional"
    temperature: float = 2.0
    cap: int | None = None

    def identity(self) -> dict[str, Any]:
        """What of it changes a training; empty for the plain proportional one."""
        found: dict[str, Any] = {} if self.kind == "proportional" else {"kind": self.kind}
        if self.kind == "temperature":
            found["temperature"] = float(self.temperature)
        return found if self.cap is None else {**found, "cap": self.cap}


@dataclass(frozen=True)
class Mlm:
    """Masked language modelling beside the intermediate tasks; see ``conf/config.yaml``.

    Attributes:
        weight: MLM steps for every step of the tasks together; 0 is none.
        source: ``auto``, a text data set of the catalogue, or a folder of ``<language>.txt``.
        languages: ``available``, or a list.
        batch_size: Texts of a step; None: the intermediate phase's own number of examples.
        max_length: Sub-tokens of a text, the rest is cut off; None: the intermediate phase's own.
        mask_probability: Share of the tokens that are predicted.
        exponent: A language with n texts is drawn in proportion to n to this power.
        max_texts: Texts of a language at the most, taken evenly from all of it.
    """

    weight: float = 0.0
    source: str = "auto"
    languages: Languages = "available"
    batch_size: int | None = None
    max_length: int | None = None
    mask_probability: float = 0.15
    exponent: float = 0.3
    max_texts: int = 20_000

    def identity(self) -> dict[str, Any]:
        """Its settings; which text that is, and in which languages, the source knows."""
        return {name: value for name, value in asdict(self).items() if name not in ("source", "languages")}


@dataclass(frozen=True)
class Translation:
    """Rows of the intermediate tasks in other languages; see ``conf/config.yaml``.

    Attributes:
        source: A folder, a hub id, or ``synthetic``; None is none.
        languages: ``available``, or a list.
        mode: ``replace``: instead of the English rows; ``add``: beside them.
        config: The configuration of a hub id that holds a language; ``{lang}`` and ``{dataset}`` are filled in.
        revision: Of a hub id.
    """

    source: str | None = None
    languages: Languages = "available"
    mode: str = "replace"
    config: str = "{lang}"
    revision: str | None = None

    @property
    def words(self) -> str:
        """What people call the rows: their languages, with a plus where they are beside the English ones."""
        languages = "translated" if self.languages == "available" else ",".join(self.languages)
        return f"{'+' if self.mode == 'add' else ''}{languages}"


METHODS: Mapping[str, Mapping[str, float]] = {
    "mean": {},
    "task_arithmetic": {"scale": 0.4},
    "ties": {"scale": 1.0, "density": 0.2},
}
"""Methods of merging, each with the numbers that it uses.

They are those that Yadav et al. 2023 (arXiv 2306.01708) take where nothing is tuned, as we remember them (UNVERIFIED).
"""


@dataclass(frozen=True)
class Merge:
    """How encoders that were trained apart become one; see :mod:`stilts_xtreme.models.merged_weights`.

    Attributes:
        method: ``mean``, ``task_arithmetic`` or ``ties``.
        scale: What the sum of all changes is multiplied by; of ``mean`` None.
        density: The share of the changes of each encoder that ``ties`` keeps, the largest ones; of others None.
    """

    method: str
    scale: float | None = None
    density: float | None = None

    @property
    def numbers(self) -> dict[str, float]:
        """The numbers that the method uses, by name."""
        return {name: value for name, value in (("scale", self.scale), ("density", self.density)) if value is not None}

    def identity(self) -> dict[str, Any]:
        """The method, and what it uses."""
        return {"method": self.method, **self.numbers}

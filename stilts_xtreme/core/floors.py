"""The stage of a target's floors, which needs no encoder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stilts_xtreme.core.inputs import RowSet
from stilts_xtreme.core.specs import Target
from stilts_xtreme.core.stage_base import SCHEMA, Phase, Stage


@dataclass(frozen=True, kw_only=True)
class Floors(Stage):
    """The scores of a target that need no model.

    Attributes:
        target: The target; its name is not keyed.
        train: The rows that the floors learn from.
        test: The rows that they are scored on.
        candidates: What a ranking chooses from; None for other formats.
        settings: What else they depend on because of the format.
    """

    kind = "floors"
    phase: Phase = "floors"
    target: Target
    train: tuple[RowSet, ...]
    test: RowSet
    candidates: RowSet | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def identity(self) -> dict[str, Any]:
        """Everything that its result depends on."""
        found = {
            "schema": SCHEMA,
            "kind": self.kind,
            "head": self.target.head,
            "metric": self.target.metric,
            "train": [rows.content for rows in self.train],
            "test": self.test.content,
            "languages": list(self.languages),
            **self.settings,
        }
        return found if self.candidates is None else {**found, "candidates": self.candidates.content}

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that are scored."""
        return self.test.languages

    def reads(self) -> tuple[RowSet, ...]:
        """Training rows, test rows and candidates."""
        return (*self.train, self.test, *([self.candidates] if self.candidates else ()))

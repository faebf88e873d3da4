"""What every stage of a cell has: a kind, a phase, parents, an identity and a key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Literal

from stilts_xtreme.core.files import digest_of
from stilts_xtreme.core.inputs import RowSet

SCHEMA = 4
"""Raised whenever the same identity would give other weights or predictions than before."""

Phase = Literal["pretraining", "intermediate", "target", "evaluation", "floors"]
"""What a stage is for. The recipe has a group of options for ``intermediate`` and for ``target``."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One training, one evaluation, or the floors of a target.

    Attributes:
        kind: ``pretrain``, ``train``, ``select``, ``merge``, ``evaluate`` or ``floors``; in manifests, events and names
            of files.
        phase: What it is for; not keyed.
        label: What people call it; not keyed.
        parent: The stage whose encoder it starts from; None for an encoder from outside, for floors, and for what is
            merged of several.
        rows: Rows that go through the encoder once per epoch, or that floors are scored on, as far as known; of a
            pretraining its steps. Not keyed.
    """

    kind: ClassVar[str]
    phase: Phase
    label: str
    parent: Stage | None = None
    rows: Mapping[str, int] = field(default_factory=dict)

    @property
    def identity(self) -> dict[str, Any]:
        """Everything that its result depends on, as JSON; for the key and the manifest alone."""
        raise NotImplementedError

    @cached_property
    def key(self) -> str:
        """The stage's address: 20 hexadecimal digits of SHA-256 over its identity."""
        return digest_of(self.identity)

    @property
    def parents(self) -> tuple[Stage, ...]:
        """The stages that it is made from, all of them finished before it."""
        return (self.parent,) if self.parent else ()

    @property
    def rebuilds(self) -> bool:
        """Whether it builds its parent's training anew, and so reads what that began with."""
        return False

    @property
    def opens(self) -> tuple[Stage, ...]:
        """The stages whose weights are read to make it: its parents, or all before it."""
        return tuple(self.chain()[:-1]) if self.rebuilds else self.parents

    def chain(self) -> list[Stage]:
        """This stage and its ancestors, each once and after its own parents."""
        before = [stage for parent in self.parents for stage in parent.chain()]
        return [*{stage.key: stage for stage in before}.values(), self]

    def from_fresh_weights(self) -> bool:
        """Whether the weights of the pretrained encoder were drawn anew where the chain began."""
        return any(parent.from_fresh_weights() for parent in self.parents)

    def reads(self) -> tuple[RowSet, ...]:
        """The rows of data sets that it reads, those of its parents apart."""
        raise NotImplementedError

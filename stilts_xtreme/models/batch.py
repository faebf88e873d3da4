"""Ragged batches: sequences end to end in flat arrays, without padding; what the encoder takes and what heads label.

A *unit* is what is drawn, counted and scored: a pair of sentences, a window of a passage or of a sentence's words, or
an example of multiple choice with all its choices. A unit has one or more *sequences*.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch


def spans(lengths: np.ndarray) -> np.ndarray:
    """Offsets [n + 1] of consecutive segments of the given lengths [n]."""
    return np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)))


def expand(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Positions of all elements of segments given by starts [n] and lengths [n], in order."""
    total = int(lengths.sum())
    shift = np.repeat(starts - spans(lengths)[:-1], lengths)
    return np.arange(total, dtype=np.int64) + shift


def send(tensor: torch.Tensor, device: torch.device | str) -> torch.Tensor:
    """Moves a tensor from the host to a device without waiting for it."""
    if torch.device(device).type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


@dataclass
class Batch:
    """Units as flat tensors.

    What decides where sequences begin and end stays on the host: a program that asks a device for it waits until all
    that was given to the device before is done.

    Attributes:
        ids: Token ids [T] of all sequences, one after the other.
        lengths: Tokens of each sequence [S], on the host.
        units: Sequences of each unit [U], on the host.
        types: Segment ids [T] for encoders that have them, else None.
        labels: Label tensors by name, over units, sequences or tokens as the head defines.
        task: Name of the head that the units belong to.
    """

    ids: torch.Tensor
    lengths: torch.Tensor
    units: torch.Tensor
    types: torch.Tensor | None = None
    labels: dict[str, torch.Tensor] = field(default_factory=dict)
    task: str = ""

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on a device, but for lengths and units."""
        return replace(
            self,
            ids=send(self.ids, device),
            types=None if self.types is None else send(self.types, device),
            labels={name: send(value, device) for name, value in self.labels.items()},
        )

    def firsts(self) -> torch.Tensor:
        """The first token of each sequence [S], on the device of the tokens."""
        return send(torch.cumsum(self.lengths, 0) - self.lengths, self.ids.device)


@dataclass
class Features:
    """All units of some rows, as flat arrays that a batch is cut from.

    Attributes:
        ids: Token ids [T].
        lengths: Tokens of each sequence [S].
        units: Sequences of each unit [U].
        types: Segment ids [T] or None.
        labels: Name -> (``unit`` | ``sequence`` | ``token``, array).
        rows: The row that each unit comes from [U].
        extra: What decoding needs beside the model's output, by unit; the head knows its meaning.
    """

    ids: np.ndarray
    lengths: np.ndarray
    units: np.ndarray
    types: np.ndarray | None = None
    labels: dict[str, tuple[str, np.ndarray]] = field(default_factory=dict)
    rows: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    extra: Mapping[str, Sequence | np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._token = spans(self.lengths)
        self._sequence = spans(self.units)
        self.unit_tokens = self._token[self._sequence[1:]] - self._token[self._sequence[:-1]]
        widest = np.maximum.reduceat(self.lengths, self._sequence[:-1]) if len(self.units) else self.lengths
        self.unit_widest = widest
        """Tokens of the longest sequence of each unit [U]."""

    def __len__(self) -> int:
        return len(self.units)

    def positions(self, chosen: np.ndarray, over: str) -> np.ndarray:
        """Positions of the chosen units' units, sequences or tokens, in the order of :meth:`take`."""
        if over == "unit":
            return chosen
        sequences = expand(self._sequence[chosen], self.units[chosen])
        return sequences if over == "sequence" else expand(self._token[sequences], self.lengths[sequences])

    def count(self, over: str) -> int:
        """Number of units, sequences or tokens."""
        return {"unit": len(self.units), "sequence": len(self.lengths), "token": len(self.ids)}[over]

    def take(self, chosen: np.ndarray, task: str = "") -> Batch:
        """The batch of the given units, in the given order."""
        sequences = expand(self._sequence[chosen], self.units[chosen])
        lengths = self.lengths[sequences]
        tokens = expand(self._token[sequences], lengths)
        over = {"unit": chosen, "sequence": sequences, "token": tokens}
        return Batch(
            ids=torch.from_numpy(self.ids[tokens].astype(np.int64)),
            lengths=torch.from_numpy(lengths.astype(np.int64)),
            units=torch.from_numpy(self.units[chosen].astype(np.int64)),
            types=None if self.types is None else torch.from_numpy(self.types[tokens].astype(np.int64)),
            labels={name: torch.from_numpy(array[over[kind]]) for name, (kind, array) in self.labels.items()},
            task=task,
        )


def concatenate(parts: Sequence[Features]) -> Features:
    """Features of several sources as one, without their labels and extras (for prediction)."""
    return Features(
        ids=np.concatenate([part.ids for part in parts]),
        lengths=np.concatenate([part.lengths for part in parts]),
        units=np.concatenate([part.units for part in parts]),
        types=None if parts[0].types is None else np.concatenate([part.types for part in parts]),  # type: ignore[misc]
    )


def padded_places(lengths: torch.Tensor) -> tuple[tuple[int, int], torch.Tensor]:
    """Where elements of segments go that stand end to end [N] and are to be padded.

    Args:
        lengths: Elements of each segment [G], on the host.

    Returns:
        The shape of the padded rectangle, (G, longest), and each element's place in it, counted row by row [N].
    """
    width = int(lengths.max())
    starts = torch.cumsum(lengths, 0) - lengths
    shift = torch.repeat_interleave(torch.arange(len(lengths)) * width - starts, lengths)
    return (len(lengths), width), torch.arange(int(lengths.sum())) + shift


def fill(widths: np.ndarray, sequences: np.ndarray, budget: int) -> list[np.ndarray]:
    """Groups units, longest first, so that a padded group has at most ``budget`` tokens.

    Args:
        widths: Tokens of the longest sequence of each unit [U].
        sequences: Sequences of each unit [U].
        budget: Tokens of a group, padding included; a single unit that is larger makes a group of its own.

    Returns:
        Positions of the units of each group; ties keep their order, so the grouping is deterministic.
    """
    order = np.argsort(-widths, kind="stable")
    groups: list[list[int]] = []
    width = count = 0
    for unit in order:
        if groups and (count + sequences[unit]) * width <= budget:
            groups[-1].append(int(unit))
            count += int(sequences[unit])
        else:
            groups.append([int(unit)])
            width, count = int(widths[unit]), int(sequences[unit])
    return [np.asarray(group, dtype=np.int64) for group in groups]


def stream(features: Features, budget: int) -> Iterator[tuple[np.ndarray, Batch]]:
    """All units once, sorted by length, in batches of at most ``budget`` padded tokens, with the units' positions."""
    for group in fill(features.unit_widest, features.units, budget):
        yield group, features.take(group)


def order(seed: int, name: str, epoch: int, size: int) -> np.ndarray:
    """The order of the units in an epoch: a function of its arguments alone, so a resumed run draws the same."""
    generator = np.random.default_rng(np.random.SeedSequence([seed, epoch, *name.encode()]))
    return generator.permutation(size)

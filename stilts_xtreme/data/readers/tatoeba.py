"""Tatoeba: some copies keep the newline of the source's files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stilts_xtreme.core.schema import Columns, DatasetSpec
from stilts_xtreme.data.readers.base import Reader
from stilts_xtreme.data.readers.raw import Raw


class Tatoeba(Reader):
    """Takes white space from both ends of a sentence."""

    def columns(self, raw: Raw, spec: DatasetSpec, labels: Sequence[str] | None) -> Columns:
        """The columns by ``spec.columns``, stripped."""
        out = super().columns(raw, spec, labels)
        return {**out, **{side: [text.strip() for text in out[side]] for side in ("text_a", "text_b")}}


READERS: Mapping[str, Reader] = {"tatoeba": Tatoeba()}

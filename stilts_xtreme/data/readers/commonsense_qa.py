"""CommonsenseQA: the right choice is a letter, which is looked up among the letters of the row's own choices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stilts_xtreme.core.schema import DatasetSpec
from stilts_xtreme.data.readers.base import Reader
from stilts_xtreme.data.readers.labels import is_withheld, unknown_label
from stilts_xtreme.data.readers.raw import WORDS, Raw, column


class CommonsenseQa(Reader):
    """Choices are a struct of their letters and texts."""

    def choices(self, raw: Raw, source: str) -> list[list[str]]:
        """The texts of the choices."""
        return column(raw, f"{source}.text", (WORDS,))

    def label(self, raw: Raw, source: str | None, spec: DatasetSpec, labels: Sequence[str]) -> list:
        """The position of the right letter; -1 where there is none."""
        assert source is not None
        keys = column(raw, source, ("string",))
        letters = column(raw, f"{spec.columns['choices']}.label", (WORDS,))
        told = any(key in row for key, row in zip(keys, letters, strict=True))
        out = []
        for at, (key, row) in enumerate(zip(keys, letters, strict=True)):
            withheld = not key or (not told and is_withheld(key))
            if key not in row and not withheld and at not in raw.wrong:
                raise unknown_label(raw, at, source, "the row's own list of choices", key, row)
            out.append(row.index(key) if key in row else -1)
        return out


READERS: Mapping[str, Reader] = {"commonsense_qa": CommonsenseQa()}

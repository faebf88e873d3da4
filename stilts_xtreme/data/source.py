"""What a source of rows is: the one face of the synthetic world, of the hub's data sets and of a user's own files."""

from __future__ import annotations

import functools
import hashlib
import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from stilts_xtreme.core.errors import StiltsError, unknown
from stilts_xtreme.core.schema import SPLITS, Columns, DatasetSpec, DataSpec
from stilts_xtreme.data.checks import Places, Report, check
from stilts_xtreme.tasks import row_format_of

_log = logging.getLogger(__name__)
_UNSPACED = ("zh", "ja", "th")  # written without spaces between words


class RowSource(ABC):
    """The rows of one data set.

    Attributes:
        synthetic: Whether rows are generated, so that scores on them say nothing about real data.
        caveat: What a reader of scores on the data set must know.

    Args:
        spec: The data set.
        data: The ``data`` group.
    """

    synthetic: ClassVar[bool] = False
    caveat: str = ""

    def __init__(self, spec: DatasetSpec, data: DataSpec):
        self.spec, self.data = spec, data

    @property
    @abstractmethod
    def origin(self) -> str:
        """What an error calls the place that rows are from."""

    @property
    @abstractmethod
    def source_language(self) -> str:
        """The language that is trained on, and that the others are compared with."""

    @abstractmethod
    def labels(self) -> tuple[str, ...]:
        """Label names in canonical order."""

    @abstractmethod
    def languages(self, split: str) -> tuple[str, ...]:
        """The languages that have rows in a split, in the order of the data set."""

    def wanted(self, asked: Sequence[str]) -> tuple[str, ...]:
        """The languages that a target is meant to be evaluated in, whether their rows are there or not.

        Args:
            asked: Those that the task names.

        Raises:
            StiltsError: If the labels of the test rows are withheld.
        """
        return tuple(asked) or self.spec.languages or self.languages("test")

    @abstractmethod
    def splits(self) -> tuple[str, ...]:
        """The canonical splits whose rows are in the source, without one that is only a share of another."""

    @abstractmethod
    def unchecked(self, split: str, language: str) -> Columns:
        """The canonical rows of one split in one language as the source has them, before any check.

        Where the data set names a ``dev`` share, ``validation`` is that share of the split it is taken from, chosen by
        the text so that all questions of a passage fall on one side, and that split is what is left.

        Raises:
            StiltsError: If the split is blind, missing or empty, or the rows cannot be reached.
        """

    def rows(self, split: str, language: str) -> tuple[Columns, Report]:
        """Loads and checks the canonical rows of one split in one language.

        Raises:
            StiltsError: As :meth:`unchecked`, or if the rows are not as the data set's description says.
        """
        return self.checked(self.unchecked(split, language), split, language)

    def checked(
        self, columns: Columns, split: str, language: str, places: Places | None = None
    ) -> tuple[Columns, Report]:
        """Checks canonical rows of a split; what is wrong with them is logged.

        Args:
            columns: The rows; not changed.
            split: Canonical split.
            language: Their language.
            places: Tells where rows are; None: as :meth:`places` does.
        """

        def own(ids: Sequence[str], last: bool) -> list[str]:
            return self.places(split, language, ids, last)

        columns, report = check(
            columns, self.described(), split, self.data.bad_rows, language=language, places=places or own
        )
        if report.problems:
            _log.warning("%s", report)
        return columns, report

    def empty(self, split: str, language: str) -> StiltsError:
        """The refusal of a split that has no row in a language, with the files that were looked into."""
        names = ", ".join(map(str, self.looked_into(read_split(self.spec, split), language)))
        where = f": looked into {names}" if names else ""
        return StiltsError(f"{self.spec.name}/{split} holds no rows in '{language}'{where}; bring some.")

    def looked_into(self, split: str, language: str) -> list[Path]:
        """The files that the rows of a split, as the source has it, are read from; none where it has no files."""
        return []

    def described(self) -> DatasetSpec:
        """The data set with the labels that the source knows."""
        return replace(self.spec, labels=self.labels())

    def places(self, split: str, language: str, ids: Sequence[str], last: bool) -> list[str]:
        """Where some rows are, in words (file and line), as far as the source can tell.

        Args:
            split: Canonical split.
            language: Language of the rows.
            ids: Ids of the rows, as in the canonical columns.
            last: Of rows with the same id the last, not the first.
        """
        return []

    @abstractmethod
    def count(self, split: str, language: str) -> int | None:
        """Rows of a split without reading it, before any is dropped; None where that is not known.

        Counts of a split that gives or takes the ``dev`` share are estimates.
        """

    @abstractmethod
    def identity(self, split: str, languages: Iterable[str]) -> dict[str, Any]:
        """What the content of these rows depends on, in plain containers, for hashing into a key. Holds no path."""

    @abstractmethod
    def corpus(self) -> dict[str, list[str]]:
        """All text of the data set without its labels, to learn a tokenizer and a language model from.

        Returns:
            Language -> texts of all its splits, each once: contexts and questions of QA, choices beside them, the words
            of tagging joined by spaces (by nothing in zh, ja and th).
        """

    def rivals(self, language: str) -> list[list[str]] | None:
        """What each test context has of the type that is asked for, the answer among it; None where no one knows.

        Only the synthetic world tells; real data sets do not say which spans are of one type.
        """
        return None

    def common_identity(self, split: str, languages: Sequence[str]) -> dict[str, Any]:
        """What the identities of all sources have in common."""
        # Lists, not tuples: what is written as JSON and read again must be equal.
        return {
            "dataset": self.spec.name,
            "split": split,
            "languages": list(languages),
            "bad_rows": self.data.bad_rows,
            "format": self.spec.format,
            "labels": list(self.labels()),
        }


def read_split(spec: DatasetSpec, split: str) -> str:
    """The canonical split whose rows are read: validation may be a share of another one."""
    if split not in SPLITS:
        raise unknown("split", split, SPLITS)
    return spec.held_in(split)


def length(columns: Columns) -> int:
    """The number of rows."""
    return len(next(iter(columns.values()), []))


def share_of(spec: DatasetSpec, split: str, n: int | None) -> int | None:
    """About how many of n rows of the split that is read are those of a split."""
    if n is None or not spec.dev or read_split(spec, split) != spec.dev["split"]:
        return n
    share = round(n * float(spec.dev["fraction"]))  # type: ignore[arg-type]
    return share if split == "validation" else n - share


def dev_share(columns: Columns, spec: DatasetSpec, split: str) -> Columns:
    """The rows of a split where dev rows are a share of another one; all rows where they are not."""
    if not spec.dev or split not in ("validation", spec.dev["split"]):
        return columns
    limit = float(spec.dev["fraction"]) * 2**64  # type: ignore[arg-type]

    @functools.cache
    def is_dev(text: str) -> bool:
        return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8], "big") < limit

    texts = row_format_of(spec.format).passages(columns)
    kept = [i for i, text in enumerate(texts) if is_dev(text) == (split == "validation")]
    return {name: [values[i] for i in kept] for name, values in columns.items()}


def texts_of(columns: Columns, spec: DatasetSpec, language: str) -> list[str]:
    """All text of canonical rows."""
    return row_format_of(spec.format).corpus(columns, "" if language in _UNSPACED else " ")


def corpus_of(found: Iterable[tuple[str, Iterable[str]]]) -> dict[str, list[str]]:
    """Language -> texts, each once, of languages with some of their texts, several times the same language or not."""
    seen: dict[str, dict[str, None]] = {}
    for language, texts in found:
        seen.setdefault(language, {}).update(dict.fromkeys(texts))
    return {language: [text for text in texts if text.strip()] for language, texts in seen.items()}

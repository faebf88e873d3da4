"""What the rows of a task format are: their columns, what is looked at before they are used, and what text they hold.

Every source (hub, folder, own files, synthetic world) yields the same columns, so that a head never knows where rows
came from. ``label`` and ``tags`` are positions in the label names of the data set (``label`` may be the position of the
right choice); -1 means that the row has no label.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from stilts_xtreme.core.schema import Columns

NO_LABEL = "no label"
"""The problem of a row whose label is not known; where all rows of an evaluation have it, the split is blind."""

WRONG = "wrong"
"""A column beside the canonical ones, only there where something is in it: what is wrong with a value of a row, such as
``tokens has null``; None for a row that has nothing wrong."""


@dataclass(frozen=True)
class Finding:
    """A problem and the rows that have it.

    Attributes:
        problem: Its name in reports.
        rows: Positions of the rows.
        drop: Whether the rows are left out.
        mended: Whether the rows were repaired without loss, so that they may be used whatever the policy.
    """

    problem: str
    rows: Sequence[int]
    drop: bool = False
    mended: bool = False


@dataclass(frozen=True)
class RowFormat:
    """One kind of rows; formats with more to check extend it.

    Attributes:
        name: Its id, the ``format`` of a data set.
        columns: The canonical columns, in their order.
        texts: Columns that hold running text. The first of them tells rows of one passage from those of another.
        required: Columns whose text must not be empty.
        kinds: Column -> types of a raw column that it can be read from, beside those of the columns that formats share.
        optional: Columns that own files may lack.
        lists: Columns that hold lists, which files without types write as JSON.
        unique_ids: Whether predictions are filed by the rows' ids, so that each may occur only once.
        translatable: Whether training rows may be replaced by translations.
        pool: Whether the rows are what others choose from: not as many in each language.
    """

    name: str
    columns: tuple[str, ...]
    texts: tuple[str, ...]
    required: tuple[str, ...]
    kinds: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    optional: tuple[str, ...] = ("id",)
    lists: tuple[str, ...] = ()
    unique_ids: bool = False
    translatable: bool = False
    pool: bool = False

    def empty_columns(self) -> Columns:
        """The columns without rows."""
        return {name: [] for name in self.columns}

    def may_lack(self, column: str, there: Collection[str]) -> bool:
        """Whether own files can do without a column, given those that are there."""
        return column in self.optional

    def lacks_text(self, columns: Columns, at: int, mapped: Collection[str]) -> bool:
        """Whether a row has no text where it needs one.

        Args:
            columns: Canonical rows.
            at: The row.
            mapped: The canonical columns that the source has raw columns for.
        """
        return not all(columns[name][at].strip() for name in self.required)

    def review(self, columns: Columns, labels: int, train: bool) -> tuple[Columns, list[Finding]]:
        """Looks for what cannot be used as it is, beside empty texts and ids that repeat.

        Args:
            columns: Canonical rows; not changed.
            labels: How many label names there are.
            train: Whether the rows are trained on.

        Returns:
            The rows, repaired where that is possible, all of them; and what was found.
        """
        return columns, []

    def unscorable(self, columns: Columns, labels: Sequence[str], unanswerable: bool) -> str | None:
        """Why the rows of a split say nothing of what is right, as those whose labels are withheld.

        Args:
            columns: Canonical rows, at least one, as :meth:`review` leaves them.
            labels: The label names.
            unanswerable: Whether the data set has questions without an answer.

        Returns:
            A clause such as ``none of its 20 rows has a label``; None where the rows can be learnt from and scored.
        """
        return None

    def passages(self, columns: Columns) -> list[str]:
        """A text for each row; rows with the same one are never parted when dev rows are taken out of others."""
        return list(columns[self.texts[0]])

    def corpus(self, columns: Columns, space: str) -> list[str]:
        """All text of the rows, without their labels.

        Args:
            columns: Canonical rows.
            space: What stands between two words of the language.
        """
        sides = [columns[name] for name in self.texts]
        return [text for row in zip(*sides, strict=True) for text in row]

    def kept_in_translation(self, columns: Columns, at: int, labels: Sequence[str]) -> str:
        """What a translation must leave as it is in a row, in words; only for what is ``translatable``."""
        label = columns["label"][at]
        name = labels[label] if isinstance(label, int) and 0 <= label < len(labels) else "none"
        return f"the label '{name}'"

    def refuse_translation(self, columns: Columns, where: Callable[[int], str]) -> None:
        """Refuses translated rows that cannot be used.

        Args:
            columns: Canonical rows.
            where: Says where a row is.

        Raises:
            StiltsError: For such a row.
        """


def without_labels(labels: Sequence[int | None]) -> str | None:
    """The clause for rows of which none has a label; None where some have one."""
    return None if any(label not in (None, -1) for label in labels) else f"none of its {len(labels)} rows has a label"


def review_labels(labels: Sequence[int | None], size: int) -> list[Finding]:
    """Rows whose one label is not there, or beyond the label names."""
    none = [at for at, label in enumerate(labels) if label is None or label == -1]
    beyond = [at for at, label in enumerate(labels) if label is not None and label != -1 and not 0 <= label < size]
    return [Finding(NO_LABEL, none, drop=True), Finding("label out of range", beyond, drop=True)]

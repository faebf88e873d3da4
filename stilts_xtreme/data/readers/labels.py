"""Labels by name: positions in a data set's list of them, of names, numbers or tags in its files."""

from __future__ import annotations

from collections.abc import Sequence

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.schema import Columns, DatasetSpec
from stilts_xtreme.data.readers.raw import KINDS, Raw, inner_of, lacks, typed
from stilts_xtreme.tasks import row_format_of

_WITHHELD = ("", "?", "-", "_", "-1", "-100", "none", "null", "nan", "na", "n/a")
"""What stands for a label that is not told, where no label has that name."""


def no_labels(out: Columns, name: str, n: int) -> list:
    """-1 for each row, or for each token of each."""
    return [-1] * n if name == "label" else [[-1] * len(tokens) for tokens in out["tokens"]]


def named_labels(raw: Raw, source: str | None, spec: DatasetSpec, labels: Sequence[str]) -> list:
    """Canonical positions of labels or tags, by the names that the source or ``label_values`` gives them.

    Where no row has a label, words such as ``?`` and ``_`` stand for none; beside labels they are refused as others.

    Raises:
        StiltsError: A label is not known; names its row.
    """
    if source is None:
        return [-1] * len(raw.ids)
    name = "tags" if "tags" in row_format_of(spec.format).columns else "label"
    values, feature = typed(raw, source, KINDS[name], null=True)
    names = getattr(inner_of(feature) if name == "tags" else feature, "names", None)
    position = _Positions(raw, source, spec, labels, names)
    if name == "tags":
        found: list = [[position(tag, at) for tag in row or []] for at, row in enumerate(values)]
    else:
        found = [position(value, at) for at, value in enumerate(values)]
    position.finish()
    return found


class _Positions:
    """Raw value and its row -> canonical position, by the name that the source or ``label_values`` gives the value."""

    def __init__(
        self, raw: Raw, source: str, spec: DatasetSpec, labels: Sequence[str], names: Sequence[str] | None
    ) -> None:
        self.raw, self.source, self.spec, self.labels, self.names = raw, source, spec, labels, names
        self.canonical = {name: i for i, name in enumerate(labels)}
        self.known: dict[object, int | None] = {None: None, -1: -1, "": -1, "-1": -1}
        self.told = False
        self.withheld: tuple[int, str] | None = None

    def __call__(self, value: object, row: int) -> int | None:
        """The position; -1 where the value stands for none."""
        if value not in self.known:
            self.known[value] = self._position(value, row)
        return self.known[value]

    def finish(self) -> None:
        """Refuses a word that stands for no label where other rows have labels."""
        if self.told and self.withheld is not None:
            raise self._unknown(*self.withheld)

    def _position(self, value: object, row: int) -> int:
        names = self.names
        if names is not None and isinstance(value, int):
            if not 0 <= value < len(names):  # means nothing in the source: kept out of range for the checks
                return value if value < 0 else len(self.labels) + value
            text = names[value]
        else:
            text = str(value)
            if names is not None and text not in {*names, *self.canonical} and text.isdecimal():
                text = next(iter(names[int(text) :]), text)  # a position, in a file that knows no numbers
        name = self.spec.label_values.get(text, text)
        if name in self.canonical:
            self.told = True
            return self.canonical[name]
        if not is_withheld(name):
            raise self._unknown(row, name)
        self.withheld = self.withheld or (row, name)
        return -1

    def _unknown(self, row: int, name: str) -> StiltsError:
        return unknown_label(self.raw, row, self.source, "the list of labels", name, self.labels, self.spec)


def is_withheld(name: str) -> bool:
    """Whether a text in the place of a label says that there is none."""
    return name.strip().lower() in _WITHHELD


def unknown_label(
    raw: Raw, row: int, source: str, what: str, name: str, there: Sequence[str], spec: DatasetSpec | None = None
) -> StiltsError:
    """The refusal of a label that is not known, with where the row is and what can be done."""
    known = str(lacks(f"{raw.where}, column '{source}': {what}", "label", name, there)).removesuffix(".")
    other = f", or say what it stands for in dataset.{spec.name}.label_values" if spec else ""
    return StiltsError(f"{known}; mend {raw.at(row)}{other}.")

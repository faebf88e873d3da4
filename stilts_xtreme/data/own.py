"""Rows that a Python program gives itself: plain lists, a ``datasets.Dataset``, or a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stilts_xtreme.core.errors import StiltsError, unknown
from stilts_xtreme.core.paths import home
from stilts_xtreme.core.schema import Columns, DatasetSpec
from stilts_xtreme.data import tables
from stilts_xtreme.data.checks import check
from stilts_xtreme.data.local import saved
from stilts_xtreme.data.readers import raw as source_rows
from stilts_xtreme.data.readers import reader_of
from stilts_xtreme.data.row_files import first_line
from stilts_xtreme.data.tables.types import Table, with_lists
from stilts_xtreme.tasks import row_format_of
from stilts_xtreme.tasks.rows import WRONG

OPTIONAL = ("id", "text_b", "context", "label", "tags", "text")
"""Columns that rows may lack: ids are counted, texts are empty, and rows without labels are only predicted."""


def table(rows: Any, where: str, split: str = "train") -> Table:
    """Rows as a table.

    Args:
        rows: Column -> list of values, a ``datasets.Dataset``, or the path of a file as a data set of own files takes
            it.
        where: How an error names them.
        split: The split to take of a folder that has several.

    Raises:
        StiltsError: When they are none of these, their columns are not of one length, or the file cannot be read.
    """
    import datasets

    if isinstance(rows, datasets.Dataset):
        return saved.of_dataset(rows, where)
    if isinstance(rows, Mapping):
        sizes = {str(name): len(values) for name, values in rows.items()}
        if len(set(sizes.values())) > 1:
            told = ", ".join(f"{name} {size}" for name, size in sizes.items())
            raise StiltsError(f"{where}: the columns are not of one length ({told}).")
        try:
            return saved.of_dataset(datasets.Dataset.from_dict(dict(rows)), where)
        except (ValueError, TypeError) as error:
            raise StiltsError(f"{where} cannot be read as columns: {first_line(error)}.") from error
    if not isinstance(rows, str | Path):
        raise StiltsError(
            f"{where} is a {type(rows).__name__}; take a mapping of lists, a datasets.Dataset or the path of a file."
        )
    path = home(rows)
    if not path.exists():
        raise StiltsError(f"{where}={path} is not a file.")
    return saved.read(path, split) if path.is_dir() else tables.read(path)


def names_of(found: Table, columns: Mapping[str, str], column: str) -> tuple[str, ...]:
    """The label names that rows themselves tell: of their type, or of their text in alphabetical order.

    Args:
        found: The rows.
        columns: Canonical column -> the rows' own name of it.
        column: The canonical column that holds labels.
    """
    own = columns.get(column, column)
    if own not in found.columns:
        return ()
    if column == "tags":
        found = with_lists(found, [own])
    feature: Any = found.features[own]
    feature = getattr(feature, "feature", feature)
    if getattr(feature, "names", None):
        return tuple(feature.names)
    values = {value for row in found.columns[own] for value in (row if isinstance(row, list) else [row])}
    return tuple(sorted(values)) if all(isinstance(value, str) for value in values) else ()


def canonical(
    found: Table,
    format: str,
    columns: Mapping[str, str],
    labels: Sequence[str],
    name: str,
    split: str,
    language: str = "",
) -> Columns:
    """Canonical rows, checked as those of the package's data sets are.

    Labels are mapped by name: text, or numbers that a ``ClassLabel`` names. Other numbers are positions in ``labels``,
    unless these are numerals themselves.

    Args:
        found: The rows.
        format: The format of the rows.
        columns: Canonical column -> the rows' own name of it, for those with another name. ``answers`` of questions
            may be a struct of ``text`` and ``answer_start``, as SQuAD has it.
        labels: Label names, in the order of the logits.
        name: Name of the data set, for errors.
        split: ``train``, ``validation``, ``test`` or ``predict``; the rows of the last need no labels.
        language: Language of the rows, for errors.

    Raises:
        StiltsError: For a column that is not there, or rows that cannot be used.
    """
    there, known = list(found.columns), row_format_of(format).columns
    for column in columns:
        if column not in known:
            raise unknown("column", column, known)
    own = {column: columns.get(column, column) for column in known}
    if "answer_texts" in own and "answers" in there:
        own |= {"answer_texts": "answers.text", "answer_starts": "answers.answer_start"}
    where = "/".join(part for part in (name, split, language) if part)
    unlabelled = split == "predict"
    optional = (*OPTIONAL, *(("answer_texts", "answer_starts", "gold") if unlabelled else ()))
    for column, source in list(own.items()):
        if source.split(".")[0] not in there:
            if column not in optional or column in columns:
                raise source_rows.lacks(where, "column", source, there)
            del own[column]
    found = with_lists(found, [own[name] for name in row_format_of(format).lists if name in own])
    if "choices" in own and not labels:
        labels = tuple(map(str, range(max((len(row) for row in found.columns[own["choices"]]), default=0))))
    right = own.pop("gold", None)
    numbers = {str(at): label for at, label in enumerate(labels)}
    # where labels have names, a number without one is a position
    values = numbers if not numbers.keys() & set(labels) else {}
    spec = DatasetSpec(name=name, format=format, columns=own, labels=tuple(labels), label_values=values)
    raw = source_rows.Raw(found.columns, found.features, [str(at) for at in range(len(found))], where, found.at)
    rows = reader_of(spec.reader).columns(raw, spec, None if unlabelled else labels)
    if unlabelled:
        refuse_wrong(rows, raw)
    if right is not None:
        rows["gold"] = [[str(key) for key in (ids if isinstance(ids, list) else [ids])] for ids in found.columns[right]]
    return rows if unlabelled else check(rows, spec, split, "skip", language=language)[0]


def refuse_wrong(rows: Columns, raw: source_rows.Raw) -> None:
    """Refuses rows to predict for that have values of another type: every row gets an answer."""
    wrong = [at for at, problem in enumerate(rows.pop(WRONG, ())) if problem]
    if wrong:
        others = f" ({len(wrong)} such rows)" if len(wrong) > 1 else ""
        raise StiltsError(f"{raw.at(wrong[0])}: {raw.wrong[wrong[0]]}{others}; mend it, or leave the row out.")

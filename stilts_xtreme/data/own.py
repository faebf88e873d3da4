"""Rows that a Python program gives itself: plain lists, a ``datasets.Dataset``, or a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stilts_xtreme.core.errors import StiltsError, unknown
from stilts_xtreme.core.schema import Columns, DatasetSpec
from stilts_xtreme.data.checks import check
from stilts_xtreme.data.readers import base, reader_of
from stilts_xtreme.tasks import row_format_of

LOADERS = {".jsonl": "json", ".json": "json", ".csv": "csv", ".tsv": "csv", ".parquet": "parquet"}
"""Extension of a file -> what ``datasets`` reads it with."""

OPTIONAL = ("id", "text_b", "context", "label", "tags", "text")
"""Columns that rows may lack: ids are counted, texts are empty, and rows without labels are only predicted."""


def table(rows: Any, where: str) -> Any:
    """Rows as a ``datasets.Dataset``.

    Args:
        rows: Column -> list of values, a ``datasets.Dataset``, or the path of a ``jsonl``, ``json``, ``csv``, ``tsv``
            or ``parquet`` file.
        where: How an error names them.

    Raises:
        StiltsError: When they are none of these, their columns are not of one length, or the file cannot be read.
    """
    import datasets

    if isinstance(rows, datasets.Dataset):
        return rows
    if isinstance(rows, Mapping):
        sizes = {str(name): len(values) for name, values in rows.items()}
        if len(set(sizes.values())) > 1:
            told = ", ".join(f"{name} {size}" for name, size in sizes.items())
            raise StiltsError(f"{where}: the columns are not of one length ({told}).")
        try:
            return datasets.Dataset.from_dict(dict(rows))
        except (ValueError, TypeError) as error:
            raise StiltsError(f"{where} cannot be read as columns: {_first_line(error)}.") from error
    if not isinstance(rows, str | Path):
        raise StiltsError(
            f"{where} is a {type(rows).__name__}; take a mapping of lists, a datasets.Dataset or the path of a file."
        )
    path = Path(rows).expanduser()
    if path.suffix not in LOADERS:
        raise unknown(f"extension of {where}={path}", path.suffix or "none", LOADERS)
    if not path.is_file():
        raise StiltsError(f"{where}={path} is not a file.")
    options: dict[str, Any] = {"delimiter": "\t"} if path.suffix == ".tsv" else {}
    if LOADERS[path.suffix] == "csv":  # pandas reads the words None, null and NA as missing
        options |= {"keep_default_na": False}
    try:
        return datasets.Dataset.from_csv(str(path), **options) if "csv" in LOADERS[path.suffix] else _loaded(path)
    except Exception as error:  # what the libraries raise about damaged files is of many kinds
        raise StiltsError(f"{where}={path} cannot be read: {_first_line(error)}.") from error


def _loaded(path: Path) -> Any:
    import datasets

    return getattr(datasets.Dataset, f"from_{LOADERS[path.suffix]}")(str(path))


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


def names_of(found: Any, columns: Mapping[str, str], column: str) -> tuple[str, ...]:
    """The label names that rows themselves tell: of their type, or of their text in alphabetical order.

    Args:
        found: A ``datasets.Dataset``.
        columns: Canonical column -> the rows' own name of it.
        column: The canonical column that holds labels.
    """
    own = columns.get(column, column)
    if own not in found.column_names:
        return ()
    feature = found.features[own]
    feature = getattr(feature, "feature", feature)
    if getattr(feature, "names", None):
        return tuple(feature.names)
    values = {value for row in found[own] for value in (row if isinstance(row, list) else [row])}
    return tuple(sorted(values)) if all(isinstance(value, str) for value in values) else ()


def canonical(
    found: Any,
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
        found: A ``datasets.Dataset``.
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
    there, known = found.column_names, row_format_of(format).columns
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
                raise base.lacks(where, "column", source, there)
            del own[column]
    if "choices" in own and not labels:
        labels = tuple(map(str, range(max((len(row) for row in found[own["choices"]]), default=0))))
    right = own.pop("gold", None)
    numbers = {str(at): label for at, label in enumerate(labels)}
    # where labels have names, a number without one is a position
    values = numbers if not numbers.keys() & set(labels) else {}
    spec = DatasetSpec(name=name, format=format, columns=own, labels=tuple(labels), label_values=values)
    raw = base.Raw(
        {column: found[column] for column in there},
        found.features,
        [str(at) for at in range(len(found))],
        where,
    )
    rows = reader_of(spec.reader).columns(raw, spec, None if unlabelled else labels)
    if right is not None:
        rows["gold"] = [[str(key) for key in (ids if isinstance(ids, list) else [ids])] for ids in found[right]]
    return rows if unlabelled else check(rows, spec, split, "skip", language=language)[0]

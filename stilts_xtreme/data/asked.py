"""Files of the user's own rows to predict: read, and brought into the columns of a format, with or without labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from stilts_xtreme.core.errors import StiltsError, unknown
from stilts_xtreme.core.schema import Columns, DatasetSpec
from stilts_xtreme.data import own
from stilts_xtreme.data.readers import conllu, reader_of
from stilts_xtreme.data.readers.raw import Raw, Type
from stilts_xtreme.data.row_files import extension, text_of
from stilts_xtreme.data.tables.types import Table, with_lists
from stilts_xtreme.tasks import row_format_of
from stilts_xtreme.tasks.rows import RowFormat

ENDINGS = ("jsonl", "json", "csv", "tsv", "parquet", "conllu", "txt")
"""Endings of the files that can be read."""

_ANSWERS = ("label", "tags", "answers", "answer_texts", "answer_starts", "gold")


def read(
    path: Path,
    format: str,
    answers: Sequence[str] = (),
    columns: Mapping[str, str] | None = None,
    trained: Mapping[str, str] | None = None,
) -> Columns:
    """The rows of a file in the columns of a format, without their answers.

    A column goes by its canonical name, by that which ``columns`` gives it, or by the name that the training rows had.

    Args:
        path: A file with one of :data:`ENDINGS`.
        format: The id of the rows' format.
        answers: Columns of the format that hold answers; they are left out.
        columns: Canonical column -> its name in the file, as the user says.
        trained: Canonical column -> its name in the training rows; what they had is needed.

    Raises:
        StiltsError: The file cannot be read, lacks a column, or has rows that nothing can be predicted for.
    """
    rows, columns, trained = row_format_of(format), dict(columns or {}), dict(trained or {})
    wanted = [name for name in rows.columns if name not in answers]
    for name in columns:
        if name not in wanted:
            raise unknown("column of --column", name, wanted)
    table = _table(path, rows)
    there = {name: values for name, values in table.columns.items() if name not in _ANSWERS or name in columns.values()}
    table = replace(table, columns=there, features={name: table.features[name] for name in there})
    found = {}
    for name in wanted:
        for place in (columns.get(name), name, trained.get(name)):
            if place is not None and all(part.strip().partition(".")[0] in there for part in place.split(",")):
                found[name] = place
                break
    lacking = [name for name in wanted if name not in found and _needed(rows, name, found, trained, columns)]
    if lacking and there:
        raise _lacks(path, rows, wanted, lacking, list(there))
    if not len(table):
        raise StiltsError(f"{path} has no rows; bring a file with rows.")
    if lacking:
        raise _lacks(path, rows, wanted, lacking, ())
    table = with_lists(table, [found[name] for name in rows.lists if name in found])
    spec = DatasetSpec(name=path.name, format=format, columns=found)
    raw = Raw(table.columns, table.features, [str(at) for at in range(len(table))], str(path), table.at)
    made = reader_of(spec.reader).columns(raw, spec, None)
    own.refuse_wrong(made, raw)
    made = {name: values for name, values in made.items() if name in rows.columns and name not in answers}
    _refuse(made, rows, table)
    return made


def _needed(
    rows: RowFormat, name: str, found: Mapping[str, str], trained: Mapping[str, str], columns: Mapping[str, str]
) -> bool:
    """Whether a column must be there: the format needs it, the training rows had it, or the user has named it."""
    if name == "id":
        return name in columns
    return name in columns or name in trained or not rows.may_lack(name, found)


def _lacks(
    path: Path, rows: RowFormat, wanted: Sequence[str], lacking: Sequence[str], there: Sequence[str]
) -> StiltsError:
    needed = [name for name in wanted if name in lacking or not rows.may_lack(name, ())]
    one = lacking[0]
    example = f"--column {one}={there[0]}" if there else f"a column {one}"
    return StiltsError(
        f"{path} lacks the column{'s' * (len(lacking) > 1)} {', '.join(lacking)}: the model needs {', '.join(needed)}, "
        f"and the file has {', '.join(there) or 'none'}; rename them, or say which is which, as in {example}."
    )


def _table(path: Path, rows: RowFormat) -> Table:
    """The file as a table; a text file has one text a line, of which tagging takes the words between white space."""
    if not path.exists():
        raise StiltsError(f"{path} does not exist; name a file of rows.")
    kind = extension(path).lower()
    if kind == "conllu" and "tokens" in rows.columns:
        tokens, _, places = conllu.read([path])
        return Table(
            {"tokens": tokens},
            {"tokens": [Type()]},
            lambda at: "the sentence in {} from line {} on".format(*places[at]),
        )
    if kind == "txt":
        lines = text_of(path).split("\n")
        lines = [line.rstrip("\r") for line in (lines[:-1] if not lines[-1] else lines)]
        name = rows.texts[0]
        words = name in rows.lists
        values: list = [line.split() for line in lines] if words else lines
        return Table({name: values}, {name: [Type()] if words else Type()}, lambda at: f"{path} line {at + 1}")
    if not path.is_dir() and kind not in ENDINGS:
        raise StiltsError(f"{path} is of no known format: its name must end in one of .{', .'.join(ENDINGS)}.")
    if kind == "conllu":
        raise StiltsError(f"{path} has the words of sentences, and the model takes {', '.join(rows.texts)}.")
    return own.table(path, str(path), "test")


def _refuse(made: Columns, rows: RowFormat, table: Table) -> None:
    """Refuses rows that nothing can be predicted for."""
    for name in rows.lists:
        for at, values in enumerate(made.get(name, ())):
            if not values:
                raise StiltsError(f"{table.at(at)}: the column '{name}' is empty; mend the row, or leave it out.")
    if rows.unique_ids and "id" in made:
        seen: set[str] = set()
        for at, key in enumerate(made["id"]):
            if key in seen:
                raise StiltsError(f"{table.at(at)}: the id '{key}' occurs more than once; give each row its own.")
            seen.add(key)

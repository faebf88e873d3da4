"""Test rows in translation, for translate-test: a user's files stand in for the texts of the rows that are scored.

A folder holds a file for each target and language, ``FOLDER/<target>/<language>.{jsonl,tsv,csv,parquet}``, with the
columns of the data set. Its rows are those of the language, translated into the language that is trained on. They are
matched by id where the data set has ids, else by line. What is right is always taken from the test rows themselves.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from stilts_xtreme.core.checks import refused
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.inputs import RowSet
from stilts_xtreme.core.paths import home
from stilts_xtreme.core.schema import Columns, DatasetSpec
from stilts_xtreme.data import tables
from stilts_xtreme.data.checks import Report
from stilts_xtreme.data.readers import reader_of
from stilts_xtreme.data.readers.raw import Raw
from stilts_xtreme.data.row_files import digest, extension
from stilts_xtreme.data.source import RowSource, length
from stilts_xtreme.data.sources import source_of
from stilts_xtreme.data.tables.types import with_lists
from stilts_xtreme.tasks import row_format_of
from stilts_xtreme.tasks.rows import WRONG

OPTION = "evaluation.translate_test"
KEPT = ("id", "label")
"""Columns that a translation leaves as they are."""
FORM, OTHERS, SHOWN = "<target>/<language>.jsonl", ("tsv", "csv", "parquet"), 5
"""A file, what else its name may end with, and how many languages and files an error names."""


@dataclass(frozen=True)
class Translated:
    """Canonical test rows with translated texts.

    Attributes:
        source: The source of the rows themselves.
        columns: The rows, in their order.
        at: Where the translation of a row is, in words.
    """

    source: RowSource
    columns: Columns
    at: Callable[[int], str]


def name_of(folder: str) -> str:
    """What translations are called: the name of their folder."""
    return os.path.basename(os.path.abspath(home(folder)))  # a link keeps the name that its user gave it


def files_of(folder: str, target: str, languages: Sequence[str], others: Sequence[str]) -> dict[str, Path]:
    """Language -> the file with its translated rows.

    Args:
        folder: What the user named.
        target: The name of the target.
        languages: Those that need a file.
        others: Those that are evaluated without one, for the remedy.

    Raises:
        StiltsError: It is no folder, or a language has no file or several.
    """
    base = home(folder)
    if not base.is_dir():
        raise refused(OPTION, folder, f"it is not a folder; it must hold translations as {FORM}")
    there: dict[str, list[Path]] = {}
    for path in sorted((base / target).iterdir()) if (base / target).is_dir() else ():
        if path.is_file() and tables.is_table(path):
            there.setdefault(path.name.removesuffix(".gz").rpartition(".")[0], []).append(path)
    lacking = [language for language in languages if language not in there]
    if lacking:
        known = [language for language in (*others, *languages) if language not in lacking]
        left = f", or evaluate in the others with languages=[{','.join(known)}]" if set(known) & set(languages) else ""
        files = ", ".join(str(base / target / f"{language}.jsonl") for language in lacking[:SHOWN])
        more = f" and {len(lacking) - SHOWN} more" if len(lacking) > SHOWN else ""
        none = f"there are no translations of {target} in {', '.join(lacking)}"
        raise refused(OPTION, folder, f"{none}; bring {files}{more} (or .{', .'.join(OTHERS)}){left}")
    for language in languages:
        if len(there[language]) > 1:
            names = ", ".join(map(str, there[language]))
            raise refused(OPTION, folder, f"{language} has several files ({names}); keep one")
    return {language: there[language][0] for language in languages}


def identity(files: Mapping[str, Path]) -> dict[str, list[str]]:
    """What the translations depend on: format and digest of each file."""
    return {language: [extension(path), digest(path)] for language, path in files.items()}


def rows(of: RowSet, language: str) -> tuple[Columns, Report]:
    """The checked rows of one language, in translation where there is one.

    Args:
        of: The rows of a target, with the files of their translations.
        language: One of its languages.

    Raises:
        StiltsError: As :meth:`RowSource.rows`, or the translations are not those of the rows.
    """
    found = _read(of, language)
    if found is None:
        return source_of(of.spec, of.data).rows(of.split, language)
    own: list[str] = [str(key) for key in found.columns["id"]]

    def places(ids: Sequence[str], last: bool) -> list[str]:
        order = range(len(own) - 1, -1, -1) if last else range(len(own))
        where = {key: found.at(next(at for at in order if own[at] == key)) for key in ids if key in own}
        return [where[key] for key in ids if key in where]

    return found.source.checked(found.columns, of.split, language, places)


def unchecked(of: RowSet, language: str) -> Columns:
    """The rows of one language before any check, in translation where there is one."""
    found = _read(of, language)
    return source_of(of.spec, of.data).unchecked(of.split, language) if found is None else found.columns


def _read(of: RowSet, language: str) -> Translated | None:
    """The test rows with the texts of a file; None where the language has none."""
    path = of.translations.get(language)
    if path is None:
        return None
    source = source_of(of.spec, of.data)
    test = source.unchecked(of.split, language)
    spec = source.described()
    if source.synthetic:  # whose labels have names of their own, and whose columns are texts in every data set
        spec = replace(spec, reader="columns", label_values={})
    raw, theirs = _file(path, spec)
    about = f"{spec.name}/{of.split} in {language}"
    partners = _partners(path, test, theirs, spec, about, raw)
    columns = dict(test)
    for name in row_format_of(spec.format).columns:
        if name not in KEPT:
            columns[name] = [theirs[name][partner] for partner in partners]
    _refuse_others(test, theirs, partners, spec, about, raw)
    if columns == test and length(test):
        raise StiltsError(
            f"{path} has the texts of {about} as they are; bring their translations into {source.source_language}."
        )
    return Translated(source, columns, lambda at: raw.at(partners[at]))


def _file(path: Path, spec: DatasetSpec) -> tuple[Raw, Columns]:
    """The rows of a file, with labels where it has some.

    Raises:
        StiltsError: It lacks a column, or a value is of a wrong type.
    """
    format = row_format_of(spec.format)
    table = with_lists(tables.read(path), [spec.columns.get(name, name) for name in format.lists])
    raw = Raw(table.columns, table.features, [""] * len(table), str(path), table.at)
    labelled = spec.columns.get("label") in table.columns
    found = reader_of(spec.reader).columns(raw, spec, spec.labels if labelled else None)
    wrong = [at for at, problem in enumerate(found.pop(WRONG, ())) if problem]
    if wrong:
        raise StiltsError(f"{raw.at(wrong[0])}: {raw.wrong[wrong[0]]} ({len(wrong):,} such rows); mend the file.")
    return raw, found


def _partners(path: Path, test: Columns, theirs: Columns, spec: DatasetSpec, about: str, raw: Raw) -> Sequence[int]:
    """For each test row the row of the file that translates it.

    Raises:
        StiltsError: An id is missing, comes twice or is of no test row; or, without ids, the numbers differ.
    """
    ids, own = [str(key) for key in test["id"]], [str(key) for key in theirs["id"]]
    if "id" not in spec.columns or len(set(ids)) < len(ids):
        if len(own) != len(ids):
            raise StiltsError(
                f"{path} has {len(own):,} rows, and {about} has {len(ids):,}; rows without ids are matched by line: "
                "bring one for each, in the same order."
            )
        return range(len(ids))
    place = {key: at for at, key in enumerate(own)}
    twice = [key for key, count in Counter(own).items() if count > 1]
    if twice:
        raise StiltsError(
            f"{raw.at(place[twice[0]])}: the id '{twice[0]}' comes a second time ({len(twice):,} such ids); keep one "
            "row of each."
        )
    known = set(ids)
    strange = [key for key in own if key not in known]
    if strange:
        raise StiltsError(
            f"{raw.at(place[strange[0]])}: no row of {about} has the id '{strange[0]}' ({len(strange):,} such ids); "
            "give each row the id of the row that it translates."
        )
    missing = [key for key in ids if key not in place]
    if missing:
        raise StiltsError(
            f"{path} has no row with the id '{missing[0]}' of {about} ({len(missing):,} such ids); bring a translation "
            "of each row."
        )
    return [place[key] for key in ids]


def _refuse_others(
    test: Columns, theirs: Columns, partners: Sequence[int], spec: DatasetSpec, about: str, raw: Raw
) -> None:
    """Refuses rows that translate others than they are matched with, as far as their labels and choices tell."""
    format = row_format_of(spec.format)
    labelled = spec.columns.get("label") in raw.columns
    for at, partner in enumerate(partners):
        both = ((theirs, partner), (test, at))
        whose = f"the row that it translates, number {at + 1} of {about}, has"
        if labelled and test["label"][at] != theirs["label"][partner]:
            mine, right = (format.kept_in_translation(columns, row, spec.labels) for columns, row in both)
            raise StiltsError(
                f"{raw.at(partner)}: {mine}, but {whose} {right}; bring the rows in the order and with the labels of "
                "the test rows."
            )
        counts = [len(columns["choices"][row]) for columns, row in both if "choices" in columns]
        if len(set(counts)) > 1:
            raise StiltsError(
                f"{raw.at(partner)}: {counts[0]} choices, but {whose} {counts[1]}; bring a translation of each choice."
            )

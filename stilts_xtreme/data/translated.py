"""Rows of a data set in other languages, translated from its English training rows and checked against them.

A folder holds them as ``FOLDER/<dataset>/<language>/train.{jsonl,parquet,csv}`` with the columns of the data set, or
for question answering as ``train.json`` in SQuAD's form; a hub id in one configuration for each language, as
facebook/xnli holds MNLI. Rows with ids are matched with the English ones by id and may be fewer; rows without are
matched by line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.inputs import RowSet
from stilts_xtreme.core.mixing import Translation
from stilts_xtreme.core.schema import Columns, DatasetSpec, DataSpec
from stilts_xtreme.data.checks import Report
from stilts_xtreme.data.hub.repositories import HubSource
from stilts_xtreme.data.readers import reader_of
from stilts_xtreme.data.row_files import Absent
from stilts_xtreme.data.row_files import place as place_in
from stilts_xtreme.data.sources import source_of
from stilts_xtreme.tasks import row_format_of

if TYPE_CHECKING:
    from stilts_xtreme.data.synthetic.generated import SyntheticSource

SYNTHETIC = "synthetic"
_SHOWN = 3


def languages(translation: Translation, spec: DatasetSpec, data: DataSpec) -> tuple[str, ...]:
    """The languages that a data set is taken in.

    Raises:
        StiltsError: The source has no rows of it in a language that was asked for, or none at all.
    """
    asked = translation.languages
    if translation.source == SYNTHETIC:
        from stilts_xtreme.data import synthetic

        there: tuple[str, ...] = synthetic.LANGUAGES[1 : _world(translation, spec, data).options.languages]
    else:
        if not row_format_of(spec.format).translatable:
            raise StiltsError(
                f"translation={translation.source}: {spec.name} has none, since its tags belong to words and a "
                "translation has other words; leave it out of intermediate=."
            )
        if spec.dev or not reader_of(spec.reader).translatable:
            raise StiltsError(f"translation={translation.source}: {spec.name} is not read from translations.")
        if _folder(translation):
            base = Path(str(translation.source)) / spec.name
            found = sorted(path.name for path in base.iterdir() if path.is_dir()) if base.is_dir() else []
            there = tuple(name for name in found if _present(translation, spec, name, data))
        else:  # a hub id's languages are named; without a root only the hub knows whether it has them
            there = tuple(code for code in asked if not data.root or _present(translation, spec, code, data))
    there = tuple(code for code in there if code != source_of(spec, data).source_language)
    lacking = () if asked == "available" else tuple(code for code in asked if code not in there)
    if lacking or not there:
        columns = ", ".join(part for names in spec.columns.values() for part in names.split(","))
        raise StiltsError(
            f"translation={translation.source} has no rows of {spec.name} in {', '.join(lacking) or 'any language'} "
            f"(there: {', '.join(there) or 'none'}): bring {_wanted(translation, spec, (*lacking, 'LANGUAGE')[0])} "
            f"with the columns {columns}, or name others in translation.languages."
        )
    return there if asked == "available" else asked


def row_set(translation: Translation, spec: DatasetSpec, data: DataSpec) -> RowSet:
    """The rows of a data set in all its languages, and what their content depends on; that holds no path."""
    chosen = languages(translation, spec, data)
    if translation.source == SYNTHETIC:
        return RowSet(spec, "train", chosen, data, {"synthetic": list(chosen)})  # the rest is the English rows' own
    source = _source(translation, spec, data, chosen)
    return RowSet(source.spec, "train", chosen, source.data, source.identity("train", chosen))


def rows(
    translation: Translation, spec: DatasetSpec, language: str, data: DataSpec, english: Columns
) -> tuple[Columns, Report]:
    """The checked rows of a data set in one language.

    Args:
        translation: Where they are.
        spec: The data set.
        language: One of :func:`languages`.
        data: Where its English rows are.
        english: Those, before any check (:meth:`RowSource.unchecked`).

    Raises:
        StiltsError: For rows that are not those of the English ones; names file, line and what to do.
    """
    if translation.source == SYNTHETIC:
        own = _world(translation, spec, data)
        return own.checked(own.translated(language), "train", language)
    source = _source(translation, spec, data, (language,))
    paths = source.files("train", language) if source.data.root else []
    try:
        found = source.unchecked("train", language)
    except StiltsError as error:
        raise StiltsError(f"translation={translation.source}, {spec.name} in '{language}': {error}") from error

    def where(at: int) -> str:
        return place_in(paths, at) if paths else f"{translation.source}, '{language}', row {at + 1}"

    missing = _match(found, english, spec, where)
    row_format_of(spec.format).refuse_translation(found, where)
    columns, report = source.checked(found, "train", language)
    if missing:
        note = {"not translated": (len(missing), tuple(missing[:_SHOWN]))}
        report = replace(report, problems={**report.problems, **note})
    return columns, report


def _folder(translation: Translation) -> bool:
    return Path(str(translation.source)).is_dir()


def _world(translation: Translation, spec: DatasetSpec, data: DataSpec) -> SyntheticSource:
    """The world as the source of a data set.

    Raises:
        StiltsError: The data set is not of the world.
    """
    from stilts_xtreme.data.synthetic.generated import SyntheticSource

    source = source_of(spec, data)
    if not isinstance(source, SyntheticSource):
        raise StiltsError(
            f"translation={SYNTHETIC} has no rows of {spec.name}, which is not of the synthetic world: give a folder, "
            "or leave it out."
        )
    return source


def _source(translation: Translation, spec: DatasetSpec, data: DataSpec, languages: tuple[str, ...]) -> HubSource:
    """The source that the translations would have if they were a data set of their own."""
    folder = _folder(translation)
    theirs = replace(
        spec,
        id=spec.name if folder else translation.source,
        config="{lang}" if folder else translation.config.replace("{dataset}", spec.name),
        revision=None if folder else translation.revision,
        splits={"train": "train"},
        languages=languages,
        files={},
        codes={},
        sources={},
        counts={},
        blind=(),
    )
    return HubSource(theirs, DataSpec("hub", translation.source if folder else data.root, data.bad_rows))


def _present(translation: Translation, spec: DatasetSpec, language: str, data: DataSpec) -> bool:
    try:
        return bool(_source(translation, spec, data, (language,)).files("train", language))
    except Absent:
        return False


def _wanted(translation: Translation, spec: DatasetSpec, language: str) -> str:
    if _folder(translation):
        return f"{translation.source}/{spec.name}/{language}/train.jsonl"
    config = translation.config.replace("{dataset}", spec.name).replace("{lang}", language)
    return f"the configuration {config} of it (translation.config={translation.config})"


def _match(found: Columns, english: Columns, spec: DatasetSpec, where: Callable[[int], str]) -> list[str]:
    """Compares rows with the English ones they are translations of; returns the ids that have none.

    Raises:
        StiltsError: An id twice or of no English row, another number of lines, or another label.
    """
    ids, own = [str(key) for key in english["id"]], [str(key) for key in found["id"]]
    place = {key: at for at, key in enumerate(ids)}
    if "id" in spec.columns and len(place) == len(ids):
        for at, key in enumerate(own):
            if key not in place:
                raise StiltsError(
                    f"{where(at)}: no English row of {spec.name}/train has the id '{key}'; remove the row, or give it "
                    "the id of the row that it translates."
                )
        twice = next((key for key, count in Counter(own).items() if count > 1), None)
        if twice is not None:
            last = len(own) - 1 - own[::-1].index(twice)
            raise StiltsError(f"{where(last)}: the id '{twice}' comes a second time; keep one of the rows.")
        partners = [place[key] for key in own]
    else:
        if len(own) != len(ids):
            raise StiltsError(
                f"{where(max(0, len(own) - 1))} is the last of {len(own):,} rows, and {spec.name}/train has "
                f"{len(ids):,} in English; without ids rows are matched by line: bring one for each, in the same order."
            )
        partners = list(range(len(ids)))
    format = row_format_of(spec.format)
    for at, partner in enumerate(partners):
        mine, theirs = (
            format.kept_in_translation(columns, row, spec.labels) for columns, row in ((found, at), (english, partner))
        )
        if mine != theirs:
            raise StiltsError(
                f"{where(at)}: {mine}, but its English row, number {partner + 1} of {spec.name}/train, has {theirs}; "
                "bring the rows in the order and with the labels of the English ones."
            )
    return sorted(set(ids) - set(own)) if len(own) < len(ids) else []

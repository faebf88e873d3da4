"""The rows that the stages of a cell read: which there are, and in which languages a target is evaluated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from stilts_xtreme.core.checks import check
from stilts_xtreme.core.errors import StiltsError, unknown
from stilts_xtreme.core.inputs import MixedMlm, RowSet, Translated
from stilts_xtreme.core.schema import DatasetSpec
from stilts_xtreme.core.specs import Cell, Target, TrainTask
from stilts_xtreme.data import language_table, translated, translated_tests, unlabelled
from stilts_xtreme.data.sources import source_of
from stilts_xtreme.tasks import format_of


def rows_in(cell: Cell, spec: DatasetSpec, split: str, languages: Sequence[str]) -> RowSet:
    """Rows of a data set in some languages, and what they depend on."""
    content = source_of(spec, cell.data).identity(split, languages)
    return RowSet(spec, split, tuple(languages), cell.data, content)


def source_rows(cell: Cell, specs: Sequence[DatasetSpec], split: str, keyed: bool = True) -> tuple[RowSet, ...]:
    """Rows in the language that is trained on, of each data set.

    Args:
        cell: The cell.
        specs: The data sets.
        split: The split.
        keyed: Whether a result depends on them; those that none depends on need not be there.
    """
    found = ((spec, (source_of(spec, cell.data).source_language,)) for spec in specs)
    if not keyed:
        return tuple(RowSet(spec, split, source, cell.data, None) for spec, source in found)
    return tuple(rows_in(cell, spec, split, source) for spec, source in found)


def counts(rows: RowSet) -> dict[str, int]:
    """Language -> number of rows, as far as known."""
    source = source_of(rows.spec, rows.data)
    return {language: source.count(rows.split, language) or 0 for language in rows.languages}


def translated_rows(cell: Cell, tasks: Sequence[TrainTask]) -> Translated | None:
    """The translations that the intermediate tasks learn from; None for none."""
    options = cell.translation
    if options.source is None:
        return None

    sets = (tuple(translated.row_set(options, spec, cell.data) for spec in task.datasets) for task in tasks)
    return Translated(options, tuple(sets))


def mixed_mlm(cell: Cell) -> MixedMlm | None:
    """Masked language modelling beside the intermediate tasks; None for none."""
    if not cell.mlm.weight:
        return None
    return unlabelled.mixed(cell.mlm, cell.data)


def target_languages(cell: Cell, target: Target) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The languages to evaluate in, and those of the target that have no rows here.

    Raises:
        StiltsError: For a language that the target does not have, or one that is missing with ``languages=all``.
    """
    tests = source_of(target.test, cell.data)
    wanted, present = tests.wanted(target.languages), tests.languages("test")
    if isinstance(cell.languages, list | tuple):
        one = f"name at least one language, such as languages=[{wanted[0]}]" if wanted else "the target has none"
        check(bool(cell.languages), "languages", list(cell.languages), one)
        for language in cell.languages:
            if language not in wanted:
                own = next(
                    (known.code for known in language_table.languages().values() if known.flores == language), None
                )
                if own in wanted:
                    raise StiltsError(f"languages={language} is not known: it is FLORES-200's code; write {own}.")
                raise StiltsError(f"{target.name}: {unknown('languages', language, wanted)}")
        wanted = tuple(dict.fromkeys(cell.languages))
    elif cell.languages not in ("available", "all"):
        raise StiltsError(
            f"languages={cell.languages} is not known; take available, all, or a list such as "
            f"languages=[{','.join(wanted[:2])}]."
        )
    missing = tuple(language for language in wanted if language not in present)
    if missing and cell.languages != "available":
        raise StiltsError(
            f"{target.name}: no test rows for {', '.join(missing)} in {tests.origin}; bring them, or "
            "give languages=available to evaluate in the others."
        )
    kept = tuple(language for language in wanted if language in present)
    if not kept:
        raise StiltsError(f"{target.name}: {tests.origin} has test rows in none of its languages.")
    return kept, missing


def test_rows(cell: Cell, target: Target, languages: Sequence[str]) -> RowSet:
    """The rows that a target is scored on, with the files of their translations where the cell names a folder.

    The language that the target is trained in needs no translation.

    Raises:
        StiltsError: The format's test rows cannot be translated, or a language has no translations.
    """
    test = rows_in(cell, target.test, "test", languages)
    folder = cell.evaluation["translate_test"]
    if folder is None:
        return test
    option = translated_tests.OPTION
    reason = format_of(target.head).wording
    check(not reason, option, folder, f"the test rows of {target.name} cannot be translated, because {reason}")
    source = source_language(cell, target)
    wanted = [language for language in languages if language != source]
    alone = f"{target.name} is evaluated in {source} alone, which it is trained in; give others to languages=[...]"
    check(bool(wanted), option, folder, alone)
    files = translated_tests.files_of(folder, target.name, wanted, [code for code in languages if code == source])
    content = {**(test.content or {}), "translations": translated_tests.identity(files)}
    return replace(test, content=content, translations=files)


def source_language(cell: Cell, target: Target) -> str:
    """The language that a target is trained in, or, where nothing is trained, that its other languages belong to."""
    learnt = target.train[-1].datasets[0] if target.train else target.test
    return source_of(learnt, cell.data).source_language


def candidate_rows(cell: Cell, target: Target) -> RowSet | None:
    """What a ranking chooses from: the candidates of all languages that are there, whichever are evaluated.

    Returns:
        The rows; None for a target that is no ranking.

    Raises:
        StiltsError: When a ranking has none.
    """
    spec = target.candidates
    if spec is None:
        return None
    source = source_of(spec, cell.data)
    languages = source.languages("test")
    if not languages:
        raise StiltsError(f"{target.name}: {source.origin} has nothing to choose from ({spec.name}).")
    return rows_in(cell, spec, "test", languages)


def dev_rows(cell: Cell, target: Target, languages: Sequence[str], oracle: bool = False) -> RowSet | None:
    """The dev rows that an evaluation chooses a threshold on, or an oracle its weights; None where it reads none.

    Raises:
        StiltsError: When a language has none.
    """
    own = format_of(target.head)
    if not own.reads_dev(cell) and not oracle:
        return None
    present = source_of(target.test, cell.data).languages("validation")
    lacking = [language for language in languages if language not in present]
    if lacking and oracle:
        raise StiltsError(
            f"evaluation.rules: the oracle chooses on dev rows of each language, and {target.name} has none in "
            f"{', '.join(lacking)}; leave the oracle out, or give languages=[...] without these."
        )
    if lacking:
        raise StiltsError(f"{target.name}: no dev rows for {', '.join(lacking)} {own.dev_advice}.")
    return rows_in(cell, target.test, "validation", languages)

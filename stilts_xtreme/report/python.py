"""What finished cells give to programs and notebooks: scores, gains, the matrix, and what is known of languages."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stilts_xtreme.core.paths import home
from stilts_xtreme.data.language_table import languages
from stilts_xtreme.report.labels import tidy_rows
from stilts_xtreme.report.results import FinishedCell, read_cells

if TYPE_CHECKING:
    from stilts_xtreme.report.heatmap import Picture

NEEDS = ("comparison", "averages", "synthetic")
"""Fields of a result that gains are made of, beside those of its rows."""


def load_results(*sources: str | Path) -> list[dict[str, Any]]:
    """Reads the scores of finished cells.

    Args:
        sources: Output folders, folders of one cell or of several, archives of ``store export``, and tables such as
            ``rows.csv`` of a report (``docs/report.md`` has their columns).

    Returns:
        One row for each cell, language and metric, in the order of the cells' names: ``cell``, ``model``,
        ``intermediate``, ``target``, ``seed``, ``volume``, ``language``, ``metric``, ``value`` (in percent), ``n``,
        ``synthetic``, ``collapsed``, the keys of the stages, ``encoder`` and ``setting`` (digests of the encoder and of
        everything else that the scores depend on; None in results of an earlier version).
        ``pandas.DataFrame(load_results("outputs"))`` is a table of them. Where a name has two meanings in the sources,
        such as two encoders of one name, what tells them apart follows the name.

    Raises:
        StiltsError: When a source is not there, or is none of these; when it has no finished cell, a result that cannot
            be read, or a cell that is there twice; or when a cell has other scores in another source.
    """
    return tidy_rows([cell.result for cell in _cells(sources)])


def load_gains(*sources: str | Path) -> list[dict[str, Any]]:
    """What intermediate tasks gain in finished cells, and how sure it is; ``docs/statistics.md`` has the methods.

    Args:
        sources: As for :func:`load_results`.

    Returns:
        A row for each entry of the matrix and each language, and one for the mean over the languages that are not
        trained on, as in ``evidence.csv`` of a report: ``row`` (the intermediate task), ``column`` (the target),
        ``over`` (``none``, or a control), ``language``, ``gain`` (in points), ``low`` and ``high`` (of the interval of
        95 %), ``p``, ``verdict`` and more. What is not known is None.

    Raises:
        StiltsError: As for :func:`load_results`; or two arms answered other items, or files of answers are damaged.
    """
    from stilts_xtreme.report.evidence import findings, rows

    return rows(findings(_cells(sources, NEEDS)))


def draw_matrix(*sources: str | Path) -> Picture:
    """The transfer matrix of finished cells as a picture that a notebook shows.

    Args:
        sources: As for :func:`load_results`.

    Raises:
        StiltsError: As for :func:`load_results`.
    """
    from stilts_xtreme.report.entries import build
    from stilts_xtreme.report.heatmap import Picture

    return Picture(build([cell.result for cell in _cells(sources, NEEDS)]))


def load_languages() -> list[dict[str, Any]]:
    """What is known of 220 languages, of which :mod:`stilts_xtreme.data.language_table` has the sources.

    Returns:
        A row for each language: ``code``, ``flores``, ``name``, ``family`` (UNVERIFIED), ``script``, ``cc100_gib``
        (GiB of text in the pretraining data of XLM-R), ``joshi`` and ``resources``, the class that follows from
        ``cc100_gib``.
    """
    return [{**asdict(language), "resources": language.resources} for language in languages().values()]


def _cells(sources: tuple[str | Path, ...], needs: tuple[str, ...] = ()) -> list[FinishedCell]:
    """The cells of all sources, each once."""
    places = [home(source) for source in sources]
    if not any(place.is_file() for place in places) and len(places) == 1:
        return read_cells(places[0], needs)
    from stilts_xtreme.report.evidence import merged
    from stilts_xtreme.report.merging import opened

    with opened(places, needs) as found:
        return merged(found)

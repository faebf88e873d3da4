"""Text for masked language modelling beside the intermediate tasks: where it is, and what it depends on.

Free of torch: planning asks for the languages and for what goes into a key.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from stilts_xtreme.core.errors import StiltsError, unknown
from stilts_xtreme.core.inputs import MixedMlm, RowSet
from stilts_xtreme.core.mixing import Mlm
from stilts_xtreme.core.schema import DatasetSpec, DataSpec
from stilts_xtreme.data import catalogue
from stilts_xtreme.data.corpus import world_identity, world_of
from stilts_xtreme.data.row_files import digest, lines_of
from stilts_xtreme.data.sources import generated, source_of
from stilts_xtreme.tasks.masked_lm.rows import ROWS

WIKIPEDIA = "wikipedia_mlm"


def languages(mlm: Mlm, data: DataSpec) -> tuple[str, ...]:
    """The languages whose text is taken.

    Raises:
        StiltsError: The source has no text in a language that was asked for, or none at all.
    """
    there = _there(mlm, data)
    if not there:
        spec = _spec(mlm, data)
        where = source_of(spec, data).origin if spec else mlm.source
        raise StiltsError(
            f"mlm.source={mlm.source} has no text in {where}: bring {_wanted(mlm, data)}, "
            "give mlm.source=FOLDER of <language>.txt, or leave mlm.weight=null."
        )
    if mlm.languages == "available":
        return there
    for language in mlm.languages:
        if language not in there:
            raise unknown("mlm.languages", language, there)
    return mlm.languages


def mixed(mlm: Mlm, data: DataSpec) -> MixedMlm:
    """The settings with the languages that there are, and what their text depends on; that holds no path."""
    chosen = languages(mlm, data)
    spec = _spec(mlm, data)
    if spec is not None:
        content = source_of(spec, data).identity("train", chosen)
        return MixedMlm(mlm, chosen, RowSet(spec, "train", chosen, data, content), content)
    if not _is_folder(mlm.source):
        return MixedMlm(mlm, chosen, None, world_identity(data))
    digests = {language: [digest(path) for path in _files(mlm.source, language)] for language in chosen}
    return MixedMlm(mlm, chosen, None, digests)


def texts(mlm: Mlm, data: DataSpec) -> dict[str, list[str]]:
    """Language -> texts, at most ``mlm.max_texts`` of each, taken evenly from all lines that are not empty.

    A line is a text, as in jiant's ``mlm_simple``: an article of Wikipedia is as many as it has paragraphs.
    """
    found = {}
    for language in languages(mlm, data):
        found[language] = _thinned(_reader(mlm, data, language), mlm.max_texts)
        if not found[language]:
            raise StiltsError(f"mlm.source={mlm.source}: the text of '{language}' has no line that is not empty.")
    return found


def _spec(mlm: Mlm, data: DataSpec) -> DatasetSpec | None:
    """The data set of the catalogue that the text is from; None for a folder and for the synthetic world.

    Raises:
        StiltsError: The source is none that has text here.
    """
    if _is_folder(mlm.source):
        return None
    if generated(data):
        if mlm.source not in ("auto", "synthetic"):
            raise unknown("mlm.source", mlm.source, ("auto", "synthetic", "FOLDER"))
        return None
    name = WIKIPEDIA if mlm.source == "auto" else mlm.source
    known = [name for name in catalogue.names() if catalogue.load_spec(name).format == ROWS.name]
    if name not in known:
        raise unknown("mlm.source", mlm.source, ("auto", *known, "FOLDER"))
    return catalogue.load_spec(name)


def _there(mlm: Mlm, data: DataSpec) -> tuple[str, ...]:
    spec = _spec(mlm, data)
    if spec is not None:
        return source_of(spec, data).languages("train")
    if _is_folder(mlm.source):
        folder = Path(mlm.source)
        names = {path.stem for path in folder.glob("*.txt")} | {path.parent.name for path in folder.glob("*/*.txt")}
        return tuple(sorted(names))
    from stilts_xtreme.data import synthetic

    world = world_of(data)
    codes = synthetic.LANGUAGES[: world.languages]
    return tuple(code for code in codes if round(world.sentences * synthetic.SHARES[code]))


def _wanted(mlm: Mlm, data: DataSpec) -> str:
    spec = _spec(mlm, data)
    return f"{spec.id}/{spec.config}" if spec else "<language>.txt, a text a line"


def _is_folder(source: str) -> bool:
    return source.startswith((".", "/", "~")) or os.path.isdir(source)


def _files(source: str, language: str) -> list[Path]:
    folder = Path(source)
    return [path for path in (folder / f"{language}.txt",) if path.is_file()] + sorted(folder.glob(f"{language}/*.txt"))


def _reader(mlm: Mlm, data: DataSpec, language: str) -> Callable[[], Iterator[str]]:
    """A function that goes over the lines of a language from the beginning."""
    spec = _spec(mlm, data)
    if spec is None and _is_folder(mlm.source):
        return lambda: _lines_of(_files(mlm.source, language))
    if spec is not None:
        whole = source_of(spec, data).rows("train", language)[0]["text"]
    else:
        from stilts_xtreme.data import synthetic

        whole = synthetic.corpus(world_of(data), language)
    return lambda: (line.strip() for text in whole for line in text.splitlines() if line.strip())


def _lines_of(paths: list[Path]) -> Iterator[str]:
    for path in paths:
        yield from (line.strip() for _, line in lines_of(path))


def _thinned(lines: Callable[[], Iterator[str]], limit: int) -> list[str]:
    """Evenly spaced lines, the first one among them; goes over them twice rather than hold them all."""
    total = sum(1 for _ in lines())
    if total <= limit:
        return list(lines())
    return [line for at, line in enumerate(lines()) if at * limit // total != (at - 1) * limit // total]

"""Bitext mining: corpora of two languages and the pairs of their sentences, from BUCC's own files or the hub's copy.

BUCC 2018 comes as ``<l>-en.<corpus>.<l>`` and ``.en`` (id, tab, sentence) and ``.gold`` (id, tab, id), for the corpora
``sample`` and ``training``. XTREME scores the training corpus and chooses the threshold on the sample.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.schema import Columns, DatasetSpec
from stilts_xtreme.data.readers.base import Reader
from stilts_xtreme.data.readers.raw import WORDS, Raw, column, kind
from stilts_xtreme.data.row_files import extension, lines_of, stamp
from stilts_xtreme.data.tables.arrow import read_parquet
from stilts_xtreme.tasks.bitext_mining.rows import ENGLISH, FOREIGN

CORPORA = {"sample": ("sample", "dev"), "test": ("training", "test")}
"""Raw split -> names of its corpus: BUCC's own, and XTREME's."""


def files(root: str | Path, language: str, raw_split: str) -> list[Path]:
    """The user's three files of a corpus below ``FOLDER/local/bucc2018``: foreign, English, gold; or none."""
    folder = Path(root) / "local" / "bucc2018"
    for corpus in CORPORA.get(raw_split, ()):
        for place in (folder / f"{language}-en", folder):
            found = [place / f"{language}-en.{corpus}.{end}" for end in (language, "en", "gold")]
            if all(path.is_file() for path in found):
                return found
    return []


def read_files(paths: Sequence[Path]) -> Columns:
    """The canonical rows of BUCC's own files, with BUCC's ids.

    Raises:
        StiltsError: A line that is not two fields, an id twice, or a gold pair of unknown sentences; names file and
            line.
    """
    foreign, english, gold = ([(n, *_fields(path, n, line)) for n, line in _lines(path)] for path in paths)
    corpora = []
    for path, rows in zip(paths, (foreign, english), strict=False):
        corpus: dict[str, str] = {}
        for n, key, text in rows:
            if key in corpus:
                raise StiltsError(f"{path} line {n}: the id {key!r} occurs more than once; take the file as it came.")
            corpus[key] = text
        corpora.append(corpus)
    for n, one, other in gold:
        if one not in corpora[0] or other not in corpora[1]:
            raise StiltsError(
                f"{paths[2]} line {n}: the pair {one} {other} names a sentence that its corpus lacks; bring the three "
                "files of one release."
            )
    pairs = [(one, other) for _, one, other in gold]
    return columns(list(corpora[0].items()), list(corpora[1].items()), pairs, str(paths[0].parent))


def _lines(path: Path) -> list[tuple[int, str]]:
    return list(lines_of(path))


def _fields(path: Path, n: int, line: str) -> tuple[str, str]:
    one, tab, other = line.partition("\t")
    if not tab:
        raise StiltsError(f"{path} line {n}: expected two fields with a tab between them, found no tab.")
    return one, other


def read_lists(foreign: Sequence[str], english: Sequence[str], gold: Sequence[Sequence[int]], where: str) -> Columns:
    """The canonical rows of the hub's copy: two lists of sentences and pairs of positions in them, counted from 1.

    The copy has no ids: sentences are numbered, ``foreign:1`` and ``english:1`` being the first ones.

    Raises:
        StiltsError: A pair outside of the lists.
    """
    for pair in gold:
        if len(pair) != 2 or not (1 <= pair[0] <= len(foreign) and 1 <= pair[1] <= len(english)):
            raise StiltsError(
                f"{where}: the gold pair {list(pair)} is outside of the {len(foreign)} and {len(english)} sentences; "
                "positions count from 1."
            )
    one, other = (
        [(f"{side}:{n}", text) for n, text in enumerate(texts, 1)]
        for side, texts in ((FOREIGN, foreign), (ENGLISH, english))
    )
    return columns(one, other, [(f"{FOREIGN}:{pair[0]}", f"{ENGLISH}:{pair[1]}") for pair in gold], where)


def columns(
    foreign: Sequence[tuple[str, str]], english: Sequence[tuple[str, str]], gold: Sequence[tuple[str, str]], where: str
) -> Columns:
    """Rows of the format ``bitext``.

    Args:
        foreign: Ids and sentences of one language.
        english: Ids and sentences of the other.
        gold: Pairs of their ids.
        where: How an error names the source.

    Raises:
        StiltsError: No gold pairs, or nothing but gold pairs: copies that hold only those make mining easy, and their
            scores are not BUCC's.
    """
    if not gold:
        raise StiltsError(f"{where} has no gold pairs, so nothing can be scored.")
    if {one for one, _ in gold} == dict(foreign).keys() and {other for _, other in gold} == dict(english).keys():
        raise gold_only(where)
    partners: dict[str, list[str]] = {}
    for one, other in gold:
        partners.setdefault(one, []).append(other)
    rows = [*foreign, *english]
    return {
        "id": [key for key, _ in rows],
        "text": [text for _, text in rows],
        "side": [FOREIGN] * len(foreign) + [ENGLISH] * len(english),
        "gold": [*(partners.get(key, []) for key, _ in foreign), *([] for _ in english)],
    }


def gold_only(where: str) -> StiltsError:
    """The refusal of a copy that holds the gold pairs without the corpora they are hidden in."""
    return StiltsError(
        f"{where} holds only the gold pairs, not the corpora they are mined from: take mteb/BUCC or BUCC's own files "
        "below FOLDER/local/bucc2018."
    )


class Bucc(Reader):
    """BUCC's own three files of a corpus, or the hub's copy, in which a row holds whole corpora."""

    as_declared = False

    def files(self, spec: DatasetSpec, raw_split: str, language: str, root: str | Path | None) -> list[Path]:
        """Those of :func:`files`."""
        return files(root, language, raw_split) if root else []

    def count(self, spec: DatasetSpec, paths: Sequence[Path], language: str) -> int:
        """Sentences of both languages."""
        return sum(_sentences(path, *stamp(path)) for path in paths)

    def read(
        self, spec: DatasetSpec, paths: Sequence[Path], raw_split: str, language: str, labels: Sequence[str] | None
    ) -> Columns:
        """Rows with BUCC's ids."""
        return read_files(paths)

    def columns(self, raw: Raw, spec: DatasetSpec, labels: Sequence[str] | None) -> Columns:
        """Rows of the hub's copy."""
        names = [name.strip() for name in spec.columns["text"].split(",")]
        if all(name in raw.features and kind(raw.features[name]) == "string" for name in names):
            raise gold_only(raw.where)
        corpora = [[text or "" for row in column(raw, name, (WORDS,)) for text in row] for name in names]
        pairs = column(raw, spec.columns["gold"], ("list of list of integer",))
        if len(pairs) != 1:
            raise StiltsError(f"{raw.where} has {len(pairs)} rows; expected one that holds whole corpora.")
        return read_lists(corpora[0], corpora[1], pairs[0], raw.where)


@functools.lru_cache(maxsize=256)
def _sentences(path: Path, size: int, mtime_ns: int) -> int:
    """Sentences in a file of corpora; the gold pairs are none."""
    if extension(path) != "parquet":
        return 0 if extension(path) == "gold" else sum(1 for _ in lines_of(path))
    columns = read_parquet(path, ["sentence1", "sentence2"]).columns
    return sum(len(row) for values in columns.values() for row in values if isinstance(row, list))


READERS: Mapping[str, Reader] = {"bucc": Bucc()}

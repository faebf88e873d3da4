"""LAReQA: the user's own files of XQuAD-R, which say where sentences begin and end.

They are ``FOLDER/local/lareqa/<language>.json`` (github.com/google-research-datasets/lareqa, folder ``xquad-r``), read
as in XTREME-R's code (google-research/xtreme, ``third_party/utils_lareqa.py``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.schema import Columns, DatasetSpec
from stilts_xtreme.data.readers.base import Reader
from stilts_xtreme.data.readers.squad_sentences import holding
from stilts_xtreme.data.row_files import Absent, json_of, stamp
from stilts_xtreme.tasks import row_format_of
from stilts_xtreme.tasks.ranking.rows import CANDIDATES, ROWS


class Lareqa(Reader):
    """Questions, or, in the format ``candidates``, the sentences of all passages."""

    local = True
    translatable = False

    def files(self, spec: DatasetSpec, raw_split: str, language: str, root: str | Path | None) -> list[Path]:
        """For questions the files of all languages, its own first: a sentence of every one is right."""
        folder = Path(root or "") / "local" / "lareqa"
        found = {other: sorted(folder.rglob(f"{other}.json"))[:1] if root else [] for other in spec.languages}
        own = found.get(language, [])
        if not own:
            raise self.missing(spec, root)
        if row_format_of(spec.format).pool:
            return own
        return own + [path for other, paths in found.items() if other != language for path in paths]

    def missing(self, spec: DatasetSpec, root: str | Path | None) -> StiltsError:
        """Names where the files are."""
        return Absent(
            f"{spec.name} is XQuAD-R, of which no copy on the hub has the sentences: put the files of xquad-r "
            "(github.com/google-research-datasets/lareqa) into FOLDER/local/lareqa and pass data.root=FOLDER."
        )

    def count(self, spec: DatasetSpec, paths: Sequence[Path], language: str) -> int:
        """Questions, or sentences."""
        key = "sentence_breaks" if row_format_of(spec.format).pool else "qas"
        return sum(len(paragraph[key]) for paragraph in _paragraphs(paths[0], *stamp(paths[0])))

    def read(
        self, spec: DatasetSpec, paths: Sequence[Path], raw_split: str, language: str, labels: Sequence[str] | None
    ) -> Columns:
        """The rows of the first file."""
        return _sentences(paths[0]) if row_format_of(spec.format).pool else _questions(paths)


@lru_cache(maxsize=32)
def _paragraphs(path: Path, size: int, mtime_ns: int) -> list[dict[str, Any]]:
    try:
        articles = json_of(path)["data"]
        paragraphs = [paragraph for article in articles for paragraph in article["paragraphs"]]
        for n, paragraph in enumerate(paragraphs, 1):
            lost = [name for name in ("context", "sentence_breaks", "qas") if name not in paragraph]
            if lost:
                raise StiltsError(f"{path}, paragraph {n}: no '{lost[0]}'; XQuAD-R has one, plain XQuAD has not.")
            _check(paragraph)
    except (ValueError, KeyError, TypeError) as error:
        raise StiltsError(f"{path} is not in XQuAD-R's form ({error}); take the file as it was released.") from error
    return paragraphs


def _check(paragraph: dict[str, Any]) -> None:
    """Raises ValueError, KeyError or TypeError for a paragraph whose values are of other types than XQuAD-R's."""
    numbers = [place for begin, end in paragraph["sentence_breaks"] for place in (begin, end)]
    numbers += [answer["answer_start"] for qa in paragraph["qas"] for answer in qa["answers"]]
    texts = [paragraph["context"], *(qa[name] for qa in paragraph["qas"] for name in ("id", "question"))]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("something that is no text in the place of one")
    if not all(isinstance(number, int) and number >= 0 for number in numbers):
        raise ValueError("something that is no position in the place of one")


def _right(path: Path) -> dict[str, list[str]]:
    """Question -> the sentences of a file that answer it: the one that holds the answer, and any like it beside it."""
    right: dict[str, list[str]] = {}
    for n, paragraph in enumerate(_paragraphs(path, *stamp(path)), 1):
        context, spans = paragraph["context"], paragraph["sentence_breaks"]
        own = [context[begin:end] for begin, end in spans]
        for qa in paragraph["qas"]:
            at = holding(spans, qa["answers"][0]["answer_start"]) if qa["answers"] else None
            if qa["id"] in right:
                raise StiltsError(f"{path}, paragraph {n}: the question '{qa['id']}' occurs more than once.")
            same = [] if at is None else [other for other, text in enumerate(own) if text == own[at]]
            right[qa["id"]] = [f"{path.stem}_{n}_{other}" for other in same]
    return right


def _questions(paths: Sequence[Path]) -> Columns:
    found = [_right(path) for path in sorted(paths)]
    columns = ROWS.empty_columns()
    for paragraph in _paragraphs(paths[0], *stamp(paths[0])):
        for qa in paragraph["qas"]:
            gold = [key for right in found for key in right.get(qa["id"], ())]
            _append(columns, qa["id"], qa["question"], "", "", gold)
    return columns


def _sentences(path: Path) -> Columns:
    columns = CANDIDATES.empty_columns()
    for n, paragraph in enumerate(_paragraphs(path, *stamp(path)), 1):
        for at, (begin, end) in enumerate(paragraph["sentence_breaks"]):
            _append(columns, f"{path.stem}_{n}_{at}", paragraph["context"][begin:end], paragraph["context"])
    return columns


def _append(columns: Columns, *values: object) -> None:
    for name, value in zip(columns, values, strict=True):
        columns[name].append(value)


READERS: Mapping[str, Reader] = {"lareqa": Lareqa()}

"""Mewsli-X: mentions of entities in the news, pairs of Wikipedia to learn from, and the entities to choose from.

The user's own files are what ``get-mewsli-x.sh`` makes (github.com/google-research/google-research,
``dense_representations_for_entity_retrieval/mel``) below ``FOLDER/local/mewsli_x``:
``wikinews_mentions-{dev,test}.jsonl``, ``wikipedia_pairs-{train,dev}.jsonl`` and ``candidate_set_entities.jsonl``. They
are read as in XTREME-R's code (google-research/xtreme, ``third_party/utils_mewslix.py``). Without them the rows are
those of the repository.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.schema import Columns, DatasetSpec
from stilts_xtreme.data.readers.base import Reader
from stilts_xtreme.data.row_files import json_in, lines_of, stamp
from stilts_xtreme.tasks import row_format_of

_FILES = {
    "mewsli_x": "wikinews_mentions-{split}.jsonl",
    "mewsli_x_pairs": "wikipedia_pairs-{split}.jsonl",
    "mewsli_x_candidates": "candidate_set_entities.jsonl",
}
_BRACES = re.compile(r"\{(.*?)\}")


def marked(text: str, start: int, end: int) -> str:
    """A mention in its context as one text: the mention, a colon, and the context with the mention in braces.

    Source: ``preprocess_mention`` of XTREME-R; braces of the text itself become parentheses.
    """
    left, right = (_BRACES.sub(r"(\1)", part) for part in (text[:start], text[end:]))
    return _one_line(f"{text[start:end]}: {left} {{ {text[start:end]} }} {right}")


def _one_line(text: str) -> str:
    return " ".join(text.splitlines()).replace("  ", " ").strip()


class MewsliX(Reader):
    """What a data set takes is told by its name."""

    translatable = False

    def files(self, spec: DatasetSpec, raw_split: str, language: str, root: str | Path | None) -> list[Path]:
        """The file of the split, where it is there."""
        split = {"validation": "dev"}.get(raw_split, raw_split)
        found = (Path(root) / "local" / "mewsli_x").rglob(_FILES[spec.name].format(split=split)) if root else ()
        return sorted(found)[:1]

    def count(self, spec: DatasetSpec, paths: Sequence[Path], language: str) -> int | None:
        """Mentions of the language, or lines."""
        if paths[0].name not in _names(spec):
            return super().count(spec, paths, language)
        if spec.name == "mewsli_x":
            return _mentions(paths[0], *stamp(paths[0]))[language]
        return _lines_of(paths[0], *stamp(paths[0]))

    def read(
        self, spec: DatasetSpec, paths: Sequence[Path], raw_split: str, language: str, labels: Sequence[str] | None
    ) -> Columns:
        """The rows of the file; an article that has no text is refused."""
        reader = {"mewsli_x": _wikinews, "mewsli_x_pairs": _pairs, "mewsli_x_candidates": _entities}[spec.name]
        columns = row_format_of(spec.format).empty_columns()
        for n, entry in _objects(paths[0]):
            try:
                for values in reader(entry, language):
                    for name, value in zip(columns, values, strict=True):
                        columns[name].append(value)
            except (KeyError, TypeError, IndexError, AttributeError) as error:
                raise StiltsError(f"{paths[0]} line {n}: not in Mewsli-X's form ({error}).") from error
            except _NoText as error:
                raise StiltsError(
                    f"{paths[0]} line {n}: the article has no text, as in the released files; get-mewsli-x.sh fills it "
                    "in."
                ) from error
        return columns


def _names(spec: DatasetSpec) -> list[str]:
    return [_FILES[spec.name].format(split=split) for split in ("train", "dev", "test")]


class _NoText(Exception):
    """An article without its text."""


def _objects(path: Path) -> Iterator[tuple[int, Any]]:
    for n, line in lines_of(path):
        yield n, json_in(line, f"{path} line {n}")


@lru_cache(maxsize=8)
def _mentions(path: Path, size: int, mtime_ns: int) -> Counter[str]:
    """Mentions by language."""
    found: Counter[str] = Counter()
    for n, article in _objects(path):
        try:
            found[article["context"]["language"]] += len(article["mentions"])
        except (KeyError, TypeError) as error:
            raise StiltsError(f"{path} line {n}: not in Mewsli-X's form ({error}).") from error
    return found


@lru_cache(maxsize=8)
def _lines_of(path: Path, size: int, mtime_ns: int) -> int:
    return sum(1 for _ in lines_of(path))


def _mention(context: Mapping[str, Any], mention: Mapping[str, Any]) -> str:
    """The sentence that a mention is in, with the mention marked."""
    span, text = mention["mention_span"], context["text"]
    start, end = span["start"], span["end"]
    if not text:
        raise _NoText
    around = [s for s in context["sentence_spans"] if s["start"] < end and start < s["end"]]
    begin = min([start, *(s["start"] for s in around)]) if around else 0
    stop = max([end, *(s["end"] for s in around)]) if around else len(text)
    return marked(text[begin:stop], start - begin, end - begin)


def _description(entity: Mapping[str, Any]) -> str:
    text = entity["description"]
    return _one_line(" ".join(text[span["start"] : span["end"]] for span in entity["sentence_spans"]) or text)


def _wikinews(article: Mapping[str, Any], language: str) -> Iterator[tuple]:
    if article["context"]["language"] == language:
        for mention in article["mentions"]:
            yield mention["example_id"], _mention(article["context"], mention), "", "", [mention["entity_id"]]


def _pairs(pair: Mapping[str, Any], language: str) -> Iterator[tuple]:
    told, entity = pair["contextual_mention"], pair["entity"]
    query = _mention(told["context"], told["mention"])
    yield told["mention"]["example_id"], query, _description(entity), "", [entity["entity_id"]]


def _entities(entity: Mapping[str, Any], language: str) -> Iterator[tuple]:
    yield entity["entity_id"], _description(entity), ""


READERS: Mapping[str, Reader] = {"mewsli_x": MewsliX()}

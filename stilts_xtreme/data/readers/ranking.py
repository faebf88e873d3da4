"""Rankings: LAReQA's and Mewsli-X's own files, and SQuAD's questions with the sentences that answer them.

Read as in XTREME-R's code (google-research/xtreme, ``third_party/utils_lareqa.py``, ``utils_mewslix.py``):

==============  ======================================================================================================
below           files
==============  ======================================================================================================
local/lareqa    ``<language>.json`` of XQuAD-R (github.com/google-research-datasets/lareqa, folder ``xquad-r``)
local/mewsli_x  what ``get-mewsli-x.sh`` makes (github.com/google-research/google-research,
                ``dense_representations_for_entity_retrieval/mel``): ``wikinews_mentions-{dev,test}.jsonl``,
                ``wikipedia_pairs-{train,dev}.jsonl``, ``candidate_set_entities.jsonl``
==============  ======================================================================================================
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.schema import FORMATS, Columns, DatasetSpec

READERS = ("lareqa", "mewsli_x")
_MEWSLI_X = {
    "mewsli_x": "wikinews_mentions-{split}.jsonl",
    "mewsli_x_pairs": "wikipedia_pairs-{split}.jsonl",
    "mewsli_x_candidates": "candidate_set_entities.jsonl",
}
_BRACES = re.compile(r"\{(.*?)\}")
_STOP = re.compile(r"([.?!])[)\]'\"\u2019\u201d]*(?:\[[\w ?]+\])*\s+(?=[(\['\"\u2018\u201c]*[A-Z0-9])")
_SHORT = re.compile(
    r"mrs?|ms|dr|prof|fr|rev|msgr|st|lt|gen|col|maj|adm|capt|sgt|rep|gov|sen|pres|hon|jr|sr|inc|ltd|co|corp|bros|"
    r"jan|feb|mar|apr|jun|jul|aug|sept|oct|nov|dec|mt|ft|no|vol|ch|sec|art|fig|pp|vs|cf|ca|approx|al|e\.g|i\.e|a\.k\.a",
    re.IGNORECASE,
)
"""What a full stop does not end a sentence after; an initial is another case."""


def marked(text: str, start: int, end: int) -> str:
    """A mention in its context as one text: the mention, a colon, and the context with the mention in braces.

    Source: ``preprocess_mention`` of XTREME-R; braces of the text itself become parentheses.
    """
    left, right = (_BRACES.sub(r"(\1)", part) for part in (text[:start], text[end:]))
    return _one_line(f"{text[start:end]}: {left} {{ {text[start:end]} }} {right}")


def _one_line(text: str) -> str:
    return " ".join(text.splitlines()).replace("  ", " ").strip()


def breaks(text: str) -> list[tuple[int, int]]:
    """Where the sentences of an English text begin and end.

    A sentence ends at a full stop, question or exclamation mark with its closing quotes, before white space and a
    capital or a digit; not after an initial or a common abbreviation. XTREME-R's code has a longer list of exceptions
    for SQuAD (``sb_sed.py``), from which this differs in the long tail.
    """
    cuts = [0]
    for match in _STOP.finditer(text):
        before = text[: match.start(1)].rpartition(" ")[2].lstrip("(['\"\u2018\u201c")
        initial = re.fullmatch(r"(?:[A-Z]\.)*[A-Z]", before) and len(before) < 6
        if match[1] != "." or not (initial or _SHORT.fullmatch(before)):
            cuts.append(match.end())
    found = []
    for start, end in zip(cuts, [*cuts[1:], len(text)], strict=True):
        piece = text[start:end]
        if piece.strip():
            found.append((start + len(piece) - len(piece.lstrip()), start + len(piece.rstrip())))
    return found


def _holding(spans: Sequence[Sequence[int]], start: int) -> int | None:
    """The span that a character is in."""
    return next((at for at, (begin, end) in enumerate(spans) if begin <= start < end), None)


def of_questions(
    ids: Sequence[str],
    questions: Sequence[str],
    contexts: Sequence[str],
    texts: Sequence[Sequence[str]],
    starts: Sequence[Sequence[int]],
) -> Columns:
    """Questions about passages with the sentence that holds the (first) answer, and its passage.

    Returns:
        Rows of the format ``ranking``; without a right candidate where the answer is not where it should be.
    """
    columns: Columns = {name: [] for name in FORMATS["ranking"]}
    passages: dict[str, int] = {}
    for key, question, context, answers, places in zip(ids, questions, contexts, texts, starts, strict=True):
        number = passages.setdefault(context, len(passages) + 1)
        spans = _breaks(context)
        place = places[0] if places else -1
        right = bool(answers) and place >= 0 and context.startswith(answers[0], place)
        if answers and not right:
            place = context.find(answers[0])
        at = _holding(spans, place)
        sentence = "" if at is None else context[slice(*spans[at])]
        gold = [] if at is None else [f"{number}_{at}"]
        _append(columns, key, question, sentence, context if sentence else "", gold)
    return columns


_breaks = lru_cache(maxsize=64)(breaks)


def _append(columns: Columns, *values: object) -> None:
    for name, value in zip(columns, values, strict=True):
        columns[name].append(value)


def files(spec: DatasetSpec, raw_split: str, language: str, root: str | Path | None) -> list[Path]:
    """The user's own files of a split in a language; none where they are not there.

    For LAReQA's questions these are the files of all languages, its own first: a sentence of every one is right.
    """
    if spec.reader not in READERS or not root:
        return []
    folder = Path(root) / "local"
    if spec.reader == "mewsli_x":
        split = {"validation": "dev"}.get(raw_split, raw_split)
        return sorted((folder / "mewsli_x").rglob(_MEWSLI_X[spec.name].format(split=split)))[:1]
    found = {other: sorted((folder / "lareqa").rglob(f"{other}.json"))[:1] for other in spec.languages}
    if not found.get(language) or spec.format == "candidates":
        return found.get(language, [])
    return found[language] + [path for other, paths in found.items() if other != language for path in paths]


def lacking(spec: DatasetSpec) -> StiltsError:
    """The refusal of a data set that has no public copy to read."""
    return StiltsError(
        f"{spec.name} is XQuAD-R, of which no copy on the hub has the sentences: put the files of xquad-r "
        "(github.com/google-research-datasets/lareqa) into FOLDER/local/lareqa and pass data.root=FOLDER."
    )


def count(spec: DatasetSpec, paths: Sequence[Path], language: str) -> int:
    """Rows that the user's own files give in a language."""
    path = paths[0]
    if spec.reader == "lareqa":
        paragraphs = _paragraphs(path, *_stamp(path))
        key = "sentence_breaks" if spec.format == "candidates" else "qas"
        return sum(len(paragraph[key]) for paragraph in paragraphs)
    if spec.name == "mewsli_x":
        return _mentions(path, *_stamp(path))[language]
    return _lines_of(path, *_stamp(path))


def read(spec: DatasetSpec, paths: Sequence[Path], language: str) -> Columns:
    """The canonical rows of the user's own files in a language.

    Raises:
        StiltsError: A line or a question that is not what the format wants; names the file and the place.
    """
    if spec.reader == "lareqa":
        return _sentences(paths[0]) if spec.format == "candidates" else _questions(paths)
    reader = {"mewsli_x": _wikinews, "mewsli_x_pairs": _pairs, "mewsli_x_candidates": _entities}[spec.name]
    columns: Columns = {name: [] for name in FORMATS[spec.format]}
    for n, entry in _objects(paths[0]):
        try:
            for values in reader(entry, language):
                _append(columns, *values)
        except (KeyError, TypeError, IndexError) as error:
            raise StiltsError(f"{paths[0]} line {n}: not in Mewsli-X's form ({error}).") from error
        except _NoText as error:
            raise StiltsError(
                f"{paths[0]} line {n}: the article has no text, as in the released files; get-mewsli-x.sh fills it in."
            ) from error
    return columns


def _stamp(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


# --- XQuAD-R ----------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=32)
def _paragraphs(path: Path, size: int, mtime_ns: int) -> list[dict[str, Any]]:
    try:
        articles = json.loads(path.read_bytes())["data"]
        paragraphs = [paragraph for article in articles for paragraph in article["paragraphs"]]
        for n, paragraph in enumerate(paragraphs, 1):
            lost = [name for name in ("context", "sentence_breaks", "qas") if name not in paragraph]
            if lost:
                raise StiltsError(f"{path}, paragraph {n}: no '{lost[0]}'; XQuAD-R has one, plain XQuAD has not.")
    except (ValueError, KeyError, TypeError) as error:
        raise StiltsError(f"{path} is not in XQuAD-R's form ({error}).") from error
    return paragraphs


def _right(path: Path) -> dict[str, list[str]]:
    """Question -> the sentences of a file that answer it: the one that holds the answer, and any like it beside it."""
    right: dict[str, list[str]] = {}
    for n, paragraph in enumerate(_paragraphs(path, *_stamp(path)), 1):
        context, spans = paragraph["context"], paragraph["sentence_breaks"]
        own = [context[begin:end] for begin, end in spans]
        for qa in paragraph["qas"]:
            at = _holding(spans, qa["answers"][0]["answer_start"]) if qa["answers"] else None
            if qa["id"] in right:
                raise StiltsError(f"{path}, paragraph {n}: the question '{qa['id']}' occurs more than once.")
            same = [] if at is None else [other for other, text in enumerate(own) if text == own[at]]
            right[qa["id"]] = [f"{path.stem}_{n}_{other}" for other in same]
    return right


def _questions(paths: Sequence[Path]) -> Columns:
    found = [_right(path) for path in sorted(paths)]
    columns: Columns = {name: [] for name in FORMATS["ranking"]}
    for paragraph in _paragraphs(paths[0], *_stamp(paths[0])):
        for qa in paragraph["qas"]:
            gold = [key for right in found for key in right.get(qa["id"], ())]
            _append(columns, qa["id"], qa["question"], "", "", gold)
    return columns


def _sentences(path: Path) -> Columns:
    columns: Columns = {name: [] for name in FORMATS["candidates"]}
    for n, paragraph in enumerate(_paragraphs(path, *_stamp(path)), 1):
        for at, (begin, end) in enumerate(paragraph["sentence_breaks"]):
            _append(columns, f"{path.stem}_{n}_{at}", paragraph["context"][begin:end], paragraph["context"])
    return columns


# --- Mewsli-X ---------------------------------------------------------------------------------------------------------


class _NoText(Exception):
    """An article without its text."""


def _objects(path: Path) -> Iterator[tuple[int, Any]]:
    with path.open("rb") as file:
        for n, line in enumerate(file, 1):
            if line.strip():
                try:
                    yield n, json.loads(line)
                except ValueError as error:
                    raise StiltsError(f"{path} line {n}: not JSON.") from error


@lru_cache(maxsize=8)
def _mentions(path: Path, size: int, mtime_ns: int) -> Counter[str]:
    """Mentions by language."""
    found: Counter[str] = Counter()
    for _, article in _objects(path):
        found[article["context"]["language"]] += len(article["mentions"])
    return found


@lru_cache(maxsize=8)
def _lines_of(path: Path, size: int, mtime_ns: int) -> int:
    with path.open("rb") as file:
        return sum(bool(line.strip()) for line in file)


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

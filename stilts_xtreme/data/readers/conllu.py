"""Universal Dependencies as released: CoNLL-U files to tagged sentences, made as XTREME makes them.

XTREME joins all treebanks of a language, told by the code before the first ``_`` of a file's name, and has one token
for a contraction such as ``zum`` where CoNLL-U has its syntactic words (``zu``, ``dem``): the written form with the tag
of one of them. The rules here are those of its ``ud-conversion-tools`` and ``utils_preprocess.py``; copies such as
google/xtreme on the hub keep the syntactic words instead, so scores on them are others.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.schema import DatasetSpec
from stilts_xtreme.data.readers.base import Reader
from stilts_xtreme.data.readers.raw import Raw, Type
from stilts_xtreme.data.row_files import Absent, lines_of, stamp

SPLITS = {"train": "train", "validation": "dev", "test": "test"}
"""Raw split -> the word in the names of UD's files."""

PRECEDENCE = [
    "VERB",
    "NOUN",
    "PROPN",
    "PRON",
    "ADJ",
    "NUM",
    "ADV",
    "INTJ",
    "AUX",
    "ADP",
    "DET",
    "PART",
    "CCONJ",
    "SCONJ",
    "X",
    "PUNCT",
]
"""Which tag a contraction takes of words that are equally high in the tree (``conllu_to_conll.py``, default list)."""


@dataclass(frozen=True)
class Word:
    """A syntactic word: ``head`` is the number of the word it depends on, 0 for the root."""

    form: str
    tag: str
    head: int
    relation: str = ""


def files(root: str | Path | None, language: str, raw_split: str) -> list[Path]:
    """The CoNLL-U files of a split below ``FOLDER/local/ud``, in the order of their names.

    They are those in a folder ``<language>``, and elsewhere those named ``<language>_<treebank>-ud-<split>.conllu``.

    Raises:
        StiltsError: There are none; says where they belong.
    """
    found = []
    base = Path(root or "") / "local" / "ud"
    for path in sorted(base.rglob("*.conllu"), key=lambda path: path.name) if root else []:
        words = re.split(r"[-_.]", path.stem)
        own = path.parent.name == language or path.name.partition("_")[0] == language
        if own and SPLITS.get(raw_split) == words[-1]:
            found.append(path)
    if not found:
        raise Absent(
            f"There is no CoNLL-U file of {language}/{raw_split}: put those of a UD release below FOLDER/local/ud, as "
            f"{language}_<treebank>-ud-{SPLITS.get(raw_split, raw_split)}.conllu, and pass data.root=FOLDER."
        )
    return found


def read(
    paths: Sequence[Path], relations: bool = False
) -> tuple[list[list[str]], list[list[str]], list[tuple[Path, int]]]:
    """Tokens and tags of all sentences of some files, with the file and the line that each begins in.

    With ``relations`` tags are such as ``NOUN:nsubj``.

    Sentences whose words are withheld (``_`` for all of them but one at the most) are left out, and white space and
    zero-width non-joiners inside of a token go, as in XTREME.

    Raises:
        StiltsError: A line that is not CoNLL-U; names file and line.
    """
    tokens, tags, places = [], [], []
    for path in paths:
        for words, spans, line in _sentences(path):
            fused = fuse(words, spans, relations)
            hidden = sum(form == "_" for form, _ in fused)
            if hidden and hidden >= len(fused) - 1:
                continue
            tokens.append([form.replace("\u200c", "").replace(" ", "") for form, _ in fused])
            tags.append([tag for _, tag in fused])
            places.append((path, line))
    return tokens, tags, places


def fuse(
    words: Mapping[int, Word], spans: Mapping[tuple[int, int], str], relations: bool = False
) -> list[tuple[str, str]]:
    """Forms and tags of a sentence with one token for each span of syntactic words that are written as one.

    The token has the tag of the word that is nearest to the root, among equals of the first in :data:`PRECEDENCE`.

    Args:
        words: Number -> syntactic word.
        spans: (First, last) -> how they are written.
        relations: Whether a tag ends with the word's dependency relation.
    """

    def name(word: Word) -> str:
        return f"{word.tag}:{word.relation}" if relations else word.tag

    def above(number: int) -> int:
        seen = {number}
        while (number := words[number].head if number in words else -1) not in seen and number >= 0:
            seen.add(number)
        return len(seen)

    def rank(number: int) -> tuple[int, int]:
        tag = words[number].tag
        return above(number), PRECEDENCE.index(tag) if tag in PRECEDENCE else len(PRECEDENCE)

    tokens, last = [], 0
    ends = {first: (end, form) for (first, end), form in spans.items()}
    for number in sorted(words):
        if number <= last:
            continue
        if number in ends:
            last, form = ends[number]
            head = min((n for n in range(number, last + 1) if n in words), key=rank)
            tokens.append((form, name(words[head])))
        else:
            tokens.append((words[number].form, name(words[number])))
    return tokens


def _sentences(path: Path) -> Iterator[tuple[dict[int, Word], dict[tuple[int, int], str], int]]:
    words: dict[int, Word] = {}
    spans: dict[tuple[int, int], str] = {}
    begin = 1
    for n, line in itertools.chain(lines_of(path, blank=True), ((0, ""),)):
        if not line.strip():
            if words:
                yield words, spans, begin
            words, spans, begin = {}, {}, n + 1
        elif not line.startswith("#"):
            fields = [field.strip() for field in line.split("\t")]
            number = re.fullmatch(r"(\d+)(?:-(\d+)|\.\d+)?", fields[0])
            if len(fields) != 10 or number is None:
                raise StiltsError(
                    f"{path} line {n}: not CoNLL-U: 10 columns with tabs between them are needed, a number first; take "
                    "the file as it was released."
                )
            if number[2]:
                spans[int(number[1]), int(number[2])] = fields[1]
            elif "." not in fields[0]:  # an empty node is not written
                head = int(fields[6]) if fields[6].isdigit() else -1
                words[int(number[1])] = Word(fields[1], fields[3], head, fields[7])


class Conllu(Reader):
    """Sentences of the user's CoNLL-U files with the tags of their words.

    Args:
        relations: Whether a tag ends with the word's dependency relation; which of these there are, the English files
            for training and dev tell.
    """

    local = True
    as_declared = False
    translatable = False

    def __init__(self, relations: bool = False):
        self.relations = self.labels_in_files = relations

    def files(self, spec: DatasetSpec, raw_split: str, language: str, root: str | Path | None) -> list[Path]:
        """Those of :func:`files`."""
        return files(root, language, raw_split)

    def raw(self, spec: DatasetSpec, paths: Sequence[Path], raw_split: str, language: str) -> Raw:
        """Tokens and tags."""
        tokens, tags, places = read(paths, self.relations)
        columns = {"tokens": tokens, "tags" if self.relations else "pos_tags": tags}
        features = {name: [Type()] for name in columns}
        ids = [f"{raw_split}-{i}" for i in range(len(tokens))]
        return Raw(
            columns, features, ids, "local/ud", lambda at: "the sentence in {} from line {} on".format(*places[at])
        )

    def labels(self, spec: DatasetSpec, root: str | Path | None) -> tuple[str, ...]:
        """The data set's own, or sorted tags with relations."""
        if not self.relations:
            return spec.labels
        paths = [path for split in ("train", "validation") for path in files(root, "en", split)]
        return _tags(tuple((path, *stamp(path)) for path in paths))


@lru_cache(maxsize=8)
def _tags(paths: tuple[tuple[Path, int, int], ...]) -> tuple[str, ...]:
    return tuple(sorted({tag for tags in read([path for path, *_ in paths], True)[1] for tag in tags}))


READERS: Mapping[str, Reader] = {"conllu": Conllu(), "ud_relations": Conllu(relations=True)}

"""Data sets of the benchmarks in the formats they were first released in, below ``FOLDER/local/<dataset>``.

================  ===========================================================================================
dataset           files, wherever below its folder
================  ===========================================================================================
xnli              ``xnli.{dev,test}.tsv`` of XNLI-1.0, ``multinli.train.en.tsv`` of XNLI-MT-1.0
paws_x            ``<language>/{train,dev_2k,test_2k}.tsv``
panx              ``<language>/{train,dev,test}``, a line ``<language>:token<TAB>tag``
xquad             ``xquad.<language>.json``
mlqa              ``{dev,test}-context-<language>-question-<language>.json``
tydiqa_goldp      ``tydiqa-goldp-v1.1-train.json``, ``tydiqa-goldp-dev-<name of the language>.json``
tatoeba           ``tatoeba.<xxx>-eng.{<xxx>,eng}`` of LASER
================  ===========================================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from stilts_xtreme.core.errors import StiltsError, unknown
from stilts_xtreme.core.schema import Columns, DatasetSpec
from stilts_xtreme.data.readers.base import Reader
from stilts_xtreme.data.readers.raw import Raw, Type
from stilts_xtreme.data.row_files import Absent, lines_of, text_of
from stilts_xtreme.tasks.question_answering.squad import place_of_question, rows_of_squad

FILES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "xnli": {
        "train": ("multinli.train.{lang}.tsv",),
        "validation": ("xnli.dev.tsv",),
        "test": ("xnli.test.tsv",),
    },
    "paws_x": {"train": ("{lang}/train.tsv",), "validation": ("{lang}/dev_2k.tsv",), "test": ("{lang}/test_2k.tsv",)},
    "panx": {"train": ("{lang}/train",), "validation": ("{lang}/dev",), "test": ("{lang}/test",)},
    "xquad": {"test": ("xquad.{lang}.json",)},
    "mlqa": {
        "validation": ("dev-context-{lang}-question-{lang}.json",),
        "test": ("test-context-{lang}-question-{lang}.json",),
    },
    "tydiqa_goldp": {"train": ("tydiqa-goldp-v1.1-train.json",), "test": ("tydiqa-goldp-dev-{code}.json",)},
    "tatoeba": {"test": ("tatoeba.{code}-eng.{code}", "tatoeba.{code}-eng.eng")},
}
"""Data set -> canonical split -> names of its files."""


def files(spec: DatasetSpec, raw_split: str, language: str, root: str | Path | None) -> list[Path]:
    """The files of a split of a language.

    Raises:
        StiltsError: The data set has no reader here, or a file is missing; says which and where it belongs.
    """
    if spec.name not in FILES:
        raise unknown("data set with reader=original", spec.name, FILES)
    split = next(split for split, raw in spec.splits.items() if raw == raw_split)
    folder = Path(root or "") / "local" / spec.name
    found = []
    for pattern in FILES[spec.name].get(split, ()):
        name = pattern.replace("{lang}", language).replace("{code}", spec.codes.get(language, language))
        paths = sorted(folder.rglob(name)) if root else []
        if not paths:
            raise Absent(
                f"There is no {name} of {spec.name}/{split} below FOLDER/local/{spec.name}; bring it and pass "
                "data.root=FOLDER."
            )
        found.append(paths[0])
    return found


def read(spec: DatasetSpec, paths: Sequence[Path], language: str) -> tuple[Columns, Callable[[int], str]]:
    """The rows of a split, canonical columns with labels as the files have them (names), and where each of them is.

    Raises:
        StiltsError: A line that is not what the format wants; names file and line.
    """
    columns, lines = _READERS.get(spec.name, _squad)(paths, language)
    if spec.name == "tydiqa_goldp":  # the training file has all languages; ids begin with the name of theirs
        wanted = [at for at, key in enumerate(columns["id"]) if key.split("-", 1)[0] == spec.codes[language]]
        columns = {name: [values[at] for at in wanted] for name, values in columns.items()}
    if lines is None:
        ids = columns["id"]
        return columns, lambda at: place_of_question(paths[0], text_of(paths[0]), ids[at])
    return columns, lambda at: f"{paths[0]} line {lines[at]}"


def _lines(path: Path) -> list[str]:
    return [line for _, line in lines_of(path, blank=True)]


Lines = list[int] | None
"""The line of each row; None where ids tell it."""


def _table(path: Path, width: int) -> list[tuple[int, list[str]]]:
    """Number and fields of all lines after the header."""
    rows = []
    for n, line in enumerate(_lines(path)[1:], 2):
        fields = [field.strip() for field in line.split("\t")]
        if len(fields) < width:
            raise StiltsError(
                f"{path} line {n}: {len(fields)} fields with tabs between them, and at least {width} are needed; mend "
                "the line."
            )
        rows.append((n, fields))
    return rows


def _xnli(paths: Sequence[Path], language: str) -> tuple[Columns, Lines]:
    if paths[0].name.startswith("multinli"):
        rows = [(n, fields[0], fields[1], fields[2]) for n, fields in _table(paths[0], 3)]
    else:
        rows = [(n, fields[6], fields[7], fields[1]) for n, fields in _table(paths[0], 8) if fields[0] == language]
    # the machine-translated training files have another word for it
    names = [row[3].replace("contradictory", "contradiction") for row in rows]
    columns = {"text_a": [row[1] for row in rows], "text_b": [row[2] for row in rows], "label": names}
    return columns, [row[0] for row in rows]


def _paws_x(paths: Sequence[Path], language: str) -> tuple[Columns, Lines]:
    rows = _table(paths[0], 4)
    names = ("id", "text_a", "text_b", "label")
    return {name: [fields[at] for _, fields in rows] for at, name in enumerate(names)}, [n for n, _ in rows]


def _panx(paths: Sequence[Path], language: str) -> tuple[Columns, Lines]:
    sentences: list[list[tuple[int, str, str]]] = [[]]
    for n, line in enumerate(_lines(paths[0]), 1):
        token, tab, tag = line.strip().partition("\t")
        if not tab:
            sentences.append([])
        elif ":" in token:  # as XTREME: without its prefix a line is passed over
            sentences[-1].append((n, token.partition(":")[2].strip(), tag.strip()))
    kept = [sentence for sentence in sentences if sentence]
    if not kept:
        raise StiltsError(
            f"{paths[0]}: no line has a token and a tag with a tab between them, so nothing can be scored; bring the "
            "file with its tags."
        )
    columns = {
        "tokens": [[token for _, token, _ in sentence] for sentence in kept],
        "tags": [[tag for _, _, tag in sentence] for sentence in kept],
    }
    return columns, [sentence[0][0] for sentence in kept]


def _squad(paths: Sequence[Path], language: str) -> tuple[Columns, Lines]:
    return rows_of_squad(paths[0], text_of(paths[0])), None


def _tatoeba(paths: Sequence[Path], language: str) -> tuple[Columns, Lines]:
    sides = [[line.strip() for line in _lines(path)] for path in paths]
    if len(sides[0]) != len(sides[1]):
        raise StiltsError(
            f"{paths[0]} has {len(sides[0])} lines and {paths[1].name} has {len(sides[1])}: line "
            f"{min(map(len, sides)) + 1} is alone; lines are pairs, so bring both files of one release."
        )
    return {"text_a": sides[0], "text_b": sides[1]}, list(range(1, len(sides[0]) + 1))


_READERS: Mapping[str, Callable[[Sequence[Path], str], tuple[Columns, Lines]]] = {
    "xnli": _xnli,
    "paws_x": _paws_x,
    "panx": _panx,
    "tatoeba": _tatoeba,
}


class Original(Reader):
    """The user's files in the data set's own form, with the names that the repository's columns have."""

    local = True
    translatable = False

    def files(self, spec: DatasetSpec, raw_split: str, language: str, root: str | Path | None) -> list[Path]:
        """Those of :func:`files`."""
        return files(spec, raw_split, language, root)

    def count(self, spec: DatasetSpec, paths: Sequence[Path], language: str) -> int | None:
        """Only reading the files tells."""
        return None

    def raw(self, spec: DatasetSpec, paths: Sequence[Path], raw_split: str, language: str) -> Raw:
        """The columns of the files."""
        columns, at = read(spec, paths, language)
        found = {spec.columns[name]: values for name, values in columns.items()}
        kinds = {name: Type("int64") if name.endswith("answer_start") else Type() for name in found}
        features = {
            name: [kinds[name]] if values and isinstance(values[0], list) else kinds[name]
            for name, values in found.items()
        }
        ids = [f"{raw_split}-{i}" for i in range(len(next(iter(found.values()), [])))]
        return Raw(found, features, ids, f"local/{spec.name}", at)


READERS: Mapping[str, Reader] = {"original": Original()}

"""Turns the raw columns of a source into canonical ones. Labels are mapped by name, never by position."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.schema import FORMATS, Columns, DatasetSpec
from stilts_xtreme.data.readers import bitext, ranking

_COPA_QUESTIONS = {"cause": "What was the cause?", "effect": "What happened as a result?"}  # XTREME-R's wording
_WORDS = "list of string"
_KINDS: Mapping[str, tuple[str, ...]] = {
    "label": ("label", "string", "integer"),
    "tags": ("list of label", "list of string", "list of integer"),
    "tokens": (_WORDS,),
    "choices": (_WORDS, "string"),
    "answer_texts": (_WORDS,),
    "answer_starts": ("list of integer",),
    "id": ("string", "integer"),
}  # every other canonical column is a string
READERS = (
    *("columns", "copa", "commonsense_qa", "tydiqa", "tatoeba", "ccg", "conllu", "ud_relations", "original", "bucc"),
    *("squad_sentences", *ranking.READERS),
)
LOCAL = (
    "ccg",
    "conllu",
    "ud_relations",
    "original",
    "lareqa",
)  # read from the user's own files, never from a repository


@dataclass(frozen=True)
class Raw:
    """Rows as the source holds them.

    Attributes:
        columns: Raw column -> values.
        features: Raw column -> the source's type of it, as the library ``datasets`` describes it.
        ids: One text per row that names it where the source has no ids.
        where: How an error names the source.
        at: Where a row is, in words: its file and line.
    """

    columns: Columns
    features: Mapping[str, object]
    ids: Sequence[str]
    where: str
    at: Callable[[int], str] = lambda row: f"row {row + 1}"


def lacks(where: str, what: str, wanted: str, there: Sequence[str]) -> StiltsError:
    """Builds the error for something that a source should hold, naming what is there and the nearest match."""
    near = difflib.get_close_matches(wanted, there, n=1, cutoff=0.5)
    hint = f" (did you mean '{near[0]}'?)" if near else ""
    shown = ", ".join(list(there)[:60]) + (", ..." if len(there) > 60 else "")
    return StiltsError(f"{where} has no {what} '{wanted}'{hint}; it holds: {shown or 'nothing'}.")


def raw_columns(spec: DatasetSpec, there: Sequence[str]) -> list[str]:
    """The raw columns that the spec needs, each once; a dotted name stands for a field of a struct column."""
    wanted = [part.strip() for names in spec.columns.values() for part in names.split(",")]
    return list(dict.fromkeys(name if name in there else name.split(".")[0] for name in wanted))


def language_of_id(row_id: str) -> str:
    """TyDi QA: ``finnish-123-1`` -> ``finnish``."""
    return row_id.split("-", 1)[0]


def read(raw: Raw, spec: DatasetSpec, labels: Sequence[str] | None) -> Columns:
    """Makes the canonical columns of ``spec.format``.

    Args:
        raw: Rows of one split, of one language.
        spec: The data set.
        labels: Label names in canonical order; None leaves every row without labels.

    Returns:
        Canonical columns; -1 where a row has no label.

    Raises:
        StiltsError: If a column is missing or has another type than expected, or a label is not known.
    """
    if spec.reader == "bucc":
        return _bucc(raw, spec)
    if spec.reader == "squad_sentences":
        return _squad_sentences(raw, spec)
    n = len(raw.ids)
    out: Columns = {}
    for name in FORMATS[spec.format]:
        source = spec.columns.get(name)
        if name in ("label", "tags"):
            out[name] = _no_labels(out, name, n) if labels is None else _label_reader(spec)(raw, source, spec, labels)
        elif name == "gold":
            out[name] = _right(raw, source, out)
        elif source is None:
            out[name] = list(raw.ids) if name == "id" else [""] * n
        elif name == "choices":
            out[name] = _choices(raw, source, spec)
        else:
            out[name] = _column(raw, source, _KINDS.get(name, ("string",)))
    if "id" in out:
        out["id"] = [str(value) for value in out["id"]]
    for name in ("text", "text_a", "text_b", "context", "question", "query"):
        if name in out:
            out[name] = [value or "" for value in out[name]]
    if spec.reader == "tatoeba":  # some copies keep the newline of the source's files
        out["text_a"], out["text_b"] = ([text.strip() for text in out[side]] for side in ("text_a", "text_b"))
    if spec.reader == "copa":
        out["question"] = [_copa_question(value, raw.where) for value in out["question"]]
    return out


def kind(feature: object) -> str:
    """The type of a column in words: ``string``, ``integer``, ``label``, ``list of string``, ``struct`` ..."""
    if isinstance(feature, Mapping):
        return "struct"
    if isinstance(feature, list | tuple):
        return f"list of {kind(feature[0])}"
    name = type(feature).__name__
    if name == "ClassLabel":
        return "label"
    if hasattr(feature, "feature"):  # List, LargeList and the older Sequence
        return f"list of {kind(feature.feature)}"
    dtype = str(getattr(feature, "dtype", name))
    if dtype in ("string", "large_string", "string_view"):
        return "string"
    return "integer" if dtype.startswith(("int", "uint")) else dtype


def _inner(feature: object) -> object:
    return feature[0] if isinstance(feature, list | tuple) else feature.feature  # type: ignore[attr-defined]


def _dig(raw: Raw, source: str) -> tuple[list, object]:
    """The values and the feature of a column, or of a field of a struct column (or of a list of structs)."""
    if source in raw.columns:
        return raw.columns[source], raw.features[source]
    column, _, key = source.partition(".")
    if column not in raw.columns:
        raise lacks(raw.where, "column", column, list(raw.features))
    values, feature = raw.columns[column], raw.features[column]
    fields: Mapping | None = feature if isinstance(feature, Mapping) else None
    if fields is None and kind(feature) == "list of struct":
        fields = _inner(feature)  # type: ignore[assignment]
    if not key or fields is None:
        expected = f"a struct with '{key}'" if key else "a column"
        raise StiltsError(f"{raw.where}: the column '{column}' holds {kind(feature)}; expected {expected}.")
    if key not in fields:
        raise lacks(f"{raw.where}, column '{column}'", "field", key, list(fields))
    if fields is feature:
        return [row[key] if row else [] for row in values], fields[key]
    return [[item[key] for item in row] for row in values], [fields[key]]


def _column(raw: Raw, source: str, kinds: Sequence[str]) -> list:
    values, feature = _dig(raw, source)
    _expect(raw, source, feature, kinds)
    if kinds[0].startswith("list"):
        return [list(value) if value is not None else [] for value in values]
    return values


def _expect(raw: Raw, source: str, feature: object, kinds: Sequence[str]) -> None:
    found = kind(feature)
    if found not in kinds and not found.endswith("null"):  # null: the file has no value to tell a type by
        wanted = " or ".join(kinds)
        raise StiltsError(f"{raw.where}: the column '{source}' holds {found}; expected {wanted}.")


def _no_labels(out: Columns, name: str, n: int) -> list:
    return [-1] * n if name == "label" else [[-1] * len(tokens) for tokens in out["tokens"]]


def _choices(raw: Raw, source: str, spec: DatasetSpec) -> list:
    if spec.reader == "commonsense_qa":
        return _column(raw, f"{source}.text", (_WORDS,))
    names = [name.strip() for name in source.split(",")]
    if len(names) == 1:
        return _column(raw, source, (_WORDS,))
    columns = [_column(raw, name, ("string",)) for name in names]
    return [[choice or "" for choice in row] for row in zip(*columns, strict=True)]


def _labels(raw: Raw, source: str | None, spec: DatasetSpec, labels: Sequence[str]) -> list:
    if source is None:
        return [-1] * len(raw.ids)
    name = "tags" if spec.format == "tagging" else "label"
    values, feature = _dig(raw, source)
    _expect(raw, source, feature, _KINDS[name])
    names = getattr(_inner(feature) if name == "tags" else feature, "names", None)
    position = _positions(raw, source, spec, labels, names)
    if name == "tags":
        return [[position(tag, at) for tag in row or []] for at, row in enumerate(values)]
    return [position(value, at) for at, value in enumerate(values)]


def _positions(
    raw: Raw, source: str, spec: DatasetSpec, labels: Sequence[str], names: Sequence[str] | None
) -> Callable[[object, int], int | None]:
    """Raw value and its row -> canonical position, by the name that the source or ``label_values`` gives the value."""
    known: dict[object, int | None] = {None: None, -1: -1, "": -1, "-1": -1}
    canonical = {name: i for i, name in enumerate(labels)}

    def position(value: object, row: int) -> int | None:
        if value not in known:
            if names is not None and isinstance(value, int):
                if not 0 <= value < len(names):  # means nothing in the source: kept out of range for the checks
                    known[value] = value if value < 0 else len(labels) + value
                    return known[value]
                text = names[value]
            else:
                text = str(value)
            name = spec.label_values.get(text, text)
            if name not in canonical:
                raise _unknown_label(raw, row, source, "the list of labels", name, labels, spec)
            known[value] = canonical[name]
        return known[value]

    return position


def _answer_key(raw: Raw, source: str, spec: DatasetSpec, labels: Sequence[str]) -> list:
    """CommonsenseQA: the letter is looked up among the letters of the row's own choices."""
    keys = _column(raw, source, ("string",))
    letters = _column(raw, f"{spec.columns['choices']}.label", (_WORDS,))
    out = []
    for at, (key, row) in enumerate(zip(keys, letters, strict=True)):
        if key and key not in row:
            raise _unknown_label(raw, at, source, "the row's own list of choices", key, row)
        out.append(row.index(key) if key else -1)
    return out


def _unknown_label(
    raw: Raw, row: int, source: str, what: str, name: str, there: Sequence[str], spec: DatasetSpec | None = None
) -> StiltsError:
    known = str(lacks(f"{raw.where}, column '{source}': {what}", "label", name, there)).removesuffix(".")
    other = f", or say what it stands for in dataset.{spec.name}.label_values" if spec else ""
    return StiltsError(f"{known}; mend {raw.at(row)}{other}.")


def _bucc(raw: Raw, spec: DatasetSpec) -> Columns:
    """BUCC: a row holds whole corpora."""
    names = [name.strip() for name in spec.columns["text"].split(",")]
    if all(name in raw.features and kind(raw.features[name]) == "string" for name in names):
        raise bitext.gold_only(raw.where)
    corpora = [[text or "" for row in _column(raw, name, (_WORDS,)) for text in row] for name in names]
    pairs = _column(raw, spec.columns["gold"], ("list of list of integer",))
    if len(pairs) != 1:
        raise StiltsError(f"{raw.where} has {len(pairs)} rows; expected one that holds whole corpora.")
    return bitext.read_lists(corpora[0], corpora[1], pairs[0], raw.where)


def _right(raw: Raw, source: str | None, out: Columns) -> list[list[str]]:
    """The ids of the right candidates; where the source has none, equal texts are one candidate."""
    if source is not None:
        return [[str(value)] if value else [] for value in _column(raw, source, ("string", "integer"))]
    numbers: dict[str, int] = {}
    return [[str(numbers.setdefault(text, len(numbers)))] if text else [] for text in out["text"]]


def _squad_sentences(raw: Raw, spec: DatasetSpec) -> Columns:
    """SQuAD: the sentence of the answer is found in the passage."""
    texts, starts = (name.strip() for name in spec.columns["text"].split(","))
    ids, questions, contexts = (_column(raw, spec.columns[name], ("string",)) for name in ("id", "query", "context"))
    return ranking.of_questions(
        ids, questions, contexts, _column(raw, texts, (_WORDS,)), _column(raw, starts, ("list of integer",))
    )


def _label_reader(spec: DatasetSpec) -> Callable[..., list]:
    return _answer_key if spec.reader == "commonsense_qa" else _labels


def _copa_question(value: str, where: str) -> str:
    if value not in _COPA_QUESTIONS:
        raise lacks(f"{where}, column 'question': COPA", "question", value, list(_COPA_QUESTIONS))
    return _COPA_QUESTIONS[value]

"""The catalogue of data sets (``conf/dataset/*.yaml``) and the one entry to their canonical rows."""

from __future__ import annotations

import functools
import hashlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

from stilts_xtreme.core.conf import CONF
from stilts_xtreme.core.errors import StiltsError, unknown
from stilts_xtreme.core.schema import FORMATS, SPLITS, Columns, DatasetSpec, DataSpec
from stilts_xtreme.data.checks import Report, check, refuse_blind
from stilts_xtreme.data.hub import layout, mirror
from stilts_xtreme.data.hub import rows as hub
from stilts_xtreme.data.readers import columns as readers
from stilts_xtreme.data.readers import local

_log = logging.getLogger(__name__)
_UNSPACED = ("zh", "ja", "th")  # written without spaces between words
_TEXTS = {
    "classification": ("text_a", "text_b"),
    "qa": ("context", "question"),
    "choice": ("context", "question"),
    "retrieval": ("text_a", "text_b"),
    "bitext": ("text",),
    "ranking": ("query", "text", "context"),
    "candidates": ("text", "context"),
    "text": ("text",),
}


def names() -> list[str]:
    """Names of all data sets."""
    return sorted(path.stem for path in (CONF / "dataset").glob("*.yaml"))


@functools.cache
def task_names(group: str) -> tuple[str, ...]:
    """Names by which recipes know the tasks of ``conf/intermediate`` or ``conf/target``."""
    found = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in (CONF / group).glob("*.yaml")}
    return tuple(sorted((values or {}).get("name", stem) for stem, values in found.items()))


def load_spec(name: str) -> DatasetSpec:
    """Reads the description of a data set from its YAML.

    Raises:
        StiltsError: If there is no such data set.
    """
    if name not in names():
        raise unknown("dataset", name, names())
    return spec_from_mapping(yaml.safe_load((CONF / "dataset" / f"{name}.yaml").read_text(encoding="utf-8")))


def spec_from_mapping(mapping: Mapping[str, Any]) -> DatasetSpec:
    """Checks and types the description of a data set.

    Args:
        mapping: Plain containers with the fields of :class:`DatasetSpec`.

    Raises:
        StiltsError: If a field, the format, the reader or a split is not known, or name or format is missing.
    """
    name = mapping.get("name") or "?"
    known = [field.name for field in fields(DatasetSpec)]
    for key in mapping:
        if key not in known:
            raise unknown(f"field of dataset.{name}", key, known)
    for key in ("name", "format"):
        if not mapping.get(key):
            raise StiltsError(f"dataset.{name} lacks the field '{key}'.")
    if mapping["format"] not in FORMATS:
        raise unknown(f"dataset.{name}.format", mapping["format"], FORMATS)
    if mapping.get("reader", "columns") not in readers.READERS:
        raise unknown(f"dataset.{name}.reader", mapping["reader"], readers.READERS)
    for split in [*(mapping.get("splits") or {}), *(mapping.get("blind") or [])]:
        if split not in SPLITS:
            raise unknown(f"split of dataset.{name}", split, SPLITS)
    for column in mapping.get("columns") or {}:
        if column not in FORMATS[mapping["format"]]:
            raise unknown(f"column of dataset.{name}", column, FORMATS[mapping["format"]])
    values = {key: value for key, value in mapping.items() if value is not None}
    for key in ("labels", "languages", "blind"):
        if key in values:
            values[key] = tuple(values[key])
    return DatasetSpec(**values)


def caveat(spec: DatasetSpec) -> str:
    """What a reader of scores on a data set must know, as long as it is read in the way that the catalogue says."""
    own = spec.name not in names() or load_spec(spec.name).reader == spec.reader
    return " ".join(spec.notes.split()) if own else ""


def source_language(data: DataSpec) -> str:
    """The language that is trained on: English, or the synthetic world's first language."""
    return "qaa" if data.kind == "synthetic" else "en"


def labels(spec: DatasetSpec, data: DataSpec) -> tuple[str, ...]:
    """Label names in canonical order; the synthetic world and the user's CCGbank and treebanks have their own."""
    if _is_synthetic(data):
        return tuple(_synthetic().labels(spec.name))
    if spec.reader == "ud_relations":
        return local.ud_labels(data.root)
    return local.ccg_labels(data.root) if spec.reader == "ccg" else spec.labels


def languages(spec: DatasetSpec, split: str, data: DataSpec) -> tuple[str, ...]:
    """Languages that have rows in a split, in the order of the catalogue; with a root, those whose rows are there."""
    if _is_synthetic(data):
        return _synthetic_languages(spec, split, data)
    raw = _raw_split(spec, split)
    if not layout.raw_splits(spec, raw):
        return ()
    if data.root:
        _check_root(data.root)
        return tuple(language for language in spec.languages if layout.present(spec, raw, language, data.root))
    by_language = any(isinstance(value, Mapping) for value in spec.counts.values())
    return tuple(
        language
        for language in spec.languages
        if not by_language or language not in spec.counts or raw in spec.counts[language]  # type: ignore[operator]
    )


def rows(spec: DatasetSpec, split: str, language: str, data: DataSpec) -> tuple[Columns, Report]:
    """Loads and checks the canonical rows of one split in one language.

    Where the spec names a ``dev`` share, ``validation`` is that share of the split it is taken from, chosen by the text
    so that all questions of a passage fall on one side, and that split is what is left.

    Raises:
        StiltsError: If the split is blind or missing, the rows cannot be reached, or they are not as the spec says.
    """
    return checked(unchecked(spec, split, language, data), spec, split, language, data)


def checked(columns: Columns, spec: DatasetSpec, split: str, language: str, data: DataSpec) -> tuple[Columns, Report]:
    """Checks canonical rows of a split; what is wrong with them is logged."""
    synthetic = _is_synthetic(data)
    spec = replace(spec, labels=labels(spec, data), blind=() if synthetic else spec.blind)

    def places(ids: Sequence[str], last: bool) -> list[str]:
        try:
            return hub.places(spec, _raw_split(spec, split), language, data.root, ids, last)
        except StiltsError:  # rows that came in another way, such as translations in SQuAD's form
            return []

    columns, report = check(
        columns, spec, split, data.bad_rows, language=language, places=None if synthetic else places
    )
    if report.problems:
        _log.warning("%s", report)
    return columns, report


def unchecked(spec: DatasetSpec, split: str, language: str, data: DataSpec) -> Columns:
    """The canonical rows of one split in one language as the source has them, before any check.

    Raises:
        StiltsError: If the split is blind, missing or empty, or the rows cannot be reached.
    """
    if _is_synthetic(data):
        present = _synthetic_languages(spec, split, data)
        if language not in present:
            raise unknown(f"language of the synthetic {spec.name}/{split}", language, present)
        return _synthetic().rows(_world(data), spec.name, split, language)
    refuse_blind(spec, split)
    if data.root:
        _check_root(data.root)
    columns = hub.read(spec, _raw_split(spec, split), language, data.root, labels(spec, data))
    _compare_count(spec, split, language, data, _length(columns))
    columns = _dev_share(columns, spec, split)
    if not _length(columns):
        raise StiltsError(f"{spec.name}/{split} holds no rows in '{language}'.")
    return columns


def rivals(spec: DatasetSpec, language: str, data: DataSpec) -> list[list[str]] | None:
    """What each test context has of the type that is asked for, the answer among it; None where no one knows.

    Only the synthetic world tells; real data sets do not say which spans are of one type.
    """
    return _synthetic().rivals(_world(data), spec.name, language) if _is_synthetic(data) else None


def corpus(spec: DatasetSpec, data: DataSpec) -> dict[str, list[str]]:
    """All text of a data set without its labels, to learn a tokenizer and a language model from.

    Returns:
        Language -> texts of all its splits, each once: contexts and questions of QA, choices beside them, the words of
        tagging joined by spaces (by nothing in zh, ja and th).
    """
    seen: dict[str, dict[str, None]] = {}
    for split in SPLITS:
        if split == "validation" and spec.dev and not _is_synthetic(data):
            continue  # rows of another split, which is read whole
        for language in languages(spec, split, data):
            if _is_synthetic(data):
                if language not in seen:
                    seen[language] = dict.fromkeys(_synthetic().corpus(_world(data), language))
                continue
            columns = hub.read(spec, split, language, data.root, None)
            seen.setdefault(language, {}).update(dict.fromkeys(_texts(columns, spec, language)))
    return {language: [text for text in texts if text.strip()] for language, texts in seen.items()}


def expected_rows(spec: DatasetSpec, split: str, language: str, data: DataSpec) -> int | None:
    """Rows of a split without reading it, before any is dropped; None where that is not known.

    Counts of a split that gives or takes the ``dev`` share are estimates.
    """
    if _is_synthetic(data):
        return int(_synthetic().size(_world(data), spec.name, split, language))
    raw = _raw_split(spec, split)
    if not layout.raw_splits(spec, raw):
        return None
    n = layout.count(spec, raw, language, data.root) if data.root else declared_count(spec, raw, language)
    if n is None or not spec.dev or raw != spec.dev["split"]:
        return n
    share = round(n * float(spec.dev["fraction"]))  # type: ignore[arg-type]
    return share if split == "validation" else n - share


def identity(spec: DatasetSpec, split: str, langs: Iterable[str], data: DataSpec) -> dict[str, Any]:
    """What the content of these rows depends on, in plain containers, for hashing into a key. Holds no path."""
    langs = list(langs)
    # Lists, not tuples: what is written as JSON and read again must be equal.
    what: dict[str, Any] = {"dataset": spec.name, "split": split, "languages": langs, "bad_rows": data.bad_rows}
    what["format"], what["labels"] = spec.format, list(labels(spec, data))
    if _is_synthetic(data):
        world, module = _world(data), _synthetic()
        rows: object = module.size(world, spec.name, split)
        if spec.format == "candidates":  # not as many in every language
            rows = [module.size(world, spec.name, split, language) for language in langs]
        options = {"seed": world.seed, "rows": rows}  # of the other splits: nothing
        own = module.rows_version(spec.name)
        what |= {"rows_version": own} if own > 1 else {}
        return {"kind": "synthetic", "version": module.WORLD_VERSION, "world": options, **what}
    raw = _raw_split(spec, split)
    where: dict[str, Any] = {}
    for language in langs:
        if data.root:
            where[language] = {
                name: layout.digests(spec, name, language, data.root) for name in layout.raw_splits(spec, raw)
            }
        else:
            where[language] = [*asdict(layout.source(spec, language)).values(), *layout.raw_splits(spec, raw)]
    what |= {"columns": dict(spec.columns), "label_values": dict(spec.label_values), "reader": spec.reader}
    what |= {"codes": {language: spec.codes[language] for language in langs if language in spec.codes}}
    what |= {
        "dev": dict(spec.dev) if spec.dev else None,
        "limits": [layout.sliced(n)[1] for n in layout.raw_splits(spec, raw)],
    }
    return {"kind": "hub", "rows": where, **what}


def _is_synthetic(data: DataSpec) -> bool:
    if data.kind not in ("synthetic", "hub"):
        raise unknown("data.kind", data.kind, ("synthetic", "hub"))
    return data.kind == "synthetic"


def _synthetic() -> ModuleType:
    from stilts_xtreme.data import synthetic

    return synthetic


def _world(data: DataSpec) -> Any:
    return _synthetic().World.from_mapping(data.world)


def _synthetic_languages(spec: DatasetSpec, split: str, data: DataSpec) -> tuple[str, ...]:
    if split not in SPLITS:
        raise unknown("split", split, SPLITS)
    module = _synthetic()
    inventory = module.LANGUAGES[: _world(data).languages]
    return tuple(language for language in module.splits(spec.name).get(split, ()) if language in inventory)


def _check_root(root: str) -> None:
    if not Path(root).is_dir():
        raise StiltsError(
            f"data.root={root} is not a folder; expected one laid out as <owner>/<name>/<configuration>/."
        )


def _raw_split(spec: DatasetSpec, split: str) -> str:
    """The canonical split whose rows are read: validation may be a share of another one."""
    if split not in SPLITS:
        raise unknown("split", split, SPLITS)
    return spec.held_in(split)


def _length(columns: Columns) -> int:
    return len(next(iter(columns.values()), []))


def _dev_share(columns: Columns, spec: DatasetSpec, split: str) -> Columns:
    if not spec.dev or split not in ("validation", spec.dev["split"]):
        return columns
    limit = float(spec.dev["fraction"]) * 2**64  # type: ignore[arg-type]

    @functools.cache
    def is_dev(text: str) -> bool:
        return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8], "big") < limit

    key = "tokens" if spec.format == "tagging" else _TEXTS[spec.format][0]
    texts = [" ".join(value) if isinstance(value, list) else value for value in columns[key]]
    if spec.format == "choice":  # a question without a context stands for itself
        texts = [text or question for text, question in zip(texts, columns["question"], strict=True)]
    kept = [i for i, text in enumerate(texts) if is_dev(text) == (split == "validation")]
    return {name: [values[i] for i in kept] for name, values in columns.items()}


def _texts(columns: Columns, spec: DatasetSpec, language: str) -> list[str]:
    if spec.format == "tagging":
        space = "" if language in _UNSPACED else " "
        return [space.join(tokens) for tokens in columns["tokens"]]
    sides = [columns[name] for name in _TEXTS[spec.format]]
    texts = [text for row in zip(*sides, strict=True) for text in row]
    return texts + [choice for row in columns.get("choices", []) for choice in row]


def declared_count(spec: DatasetSpec, split: str, language: str) -> int | None:
    """Rows that the hub is known to hold of a canonical split, before any is dropped; None where that is not known."""
    value = spec.counts.get(language, {} if any(isinstance(v, Mapping) for v in spec.counts.values()) else spec.counts)
    n = value.get(split) if isinstance(value, Mapping) else None
    limits = [layout.sliced(name)[1] for name in layout.raw_splits(spec, split)]
    if n is None or None in limits:
        return n
    return min(n, sum(limit or 0 for limit in limits))


def _compare_count(spec: DatasetSpec, split: str, language: str, data: DataSpec, n: int) -> None:
    declared = declared_count(spec, _raw_split(spec, split), language)
    if declared is not None and declared != n:
        level = logging.WARNING if not data.root or _fetched(spec, language, data.root) else logging.INFO
        _log.log(level, "%s/%s/%s: %d rows read, %d declared.", spec.name, split, language, n, declared)


def _fetched(spec: DatasetSpec, language: str, root: str) -> bool:
    """Whether a folder's rows are the hub's; in a folder of the user's own a cut is normal."""
    if spec.reader in readers.LOCAL or spec.id is None:
        return False
    repo = mirror.Repo(str(layout.source(spec, language).id))
    return mirror.record_of(repo.folder(root)) is not None

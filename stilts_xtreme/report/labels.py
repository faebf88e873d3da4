"""What cells are called in tables and pictures: the names of their parts, made distinct where one has two meanings.

What a part *is* stands in a result's ``identity``. Results of earlier versions have none: they are told apart by
names, by options, and by the keys of their stages.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from stilts_xtreme.core.shots import words
from stilts_xtreme.core.text import option_value

BASELINE = "none"
"""The row of cells without an intermediate task."""

BEFORE = ("recipe.intermediate.", "sampling.", "merge.", "mlm.", "translation.")
"""Options of the intermediate phase, which a baseline does not have."""

OF_TARGET = "recipe.target."
"""Options that may differ from target to target in a row."""

CONTROLS = {
    "placebo": "a control: the rows of the intermediate training have the answers of other rows, so that its gain is "
    "none of the task.",
    "steps": "a control: in place of the intermediate training the target is trained for as many more steps as that "
    "takes.",
}
"""Control of an intermediate training -> what a reader has to know of it."""

Result = Mapping[str, Any]


@dataclass(frozen=True)
class Label:
    """What one cell is called beside others.

    Attributes:
        encoder: The encoder.
        before: What the cell did before the target.
        row: Both, the encoder where there are several, with the options that tell cells apart; a row of the matrix.
        column: The target.
        baseline: The row that it is compared with, by names.
    """

    encoder: str
    before: str
    row: str
    column: str
    baseline: str


def row_name(result: Result) -> str:
    """What a cell did before the target: the intermediate tasks, none, or nothing at all with random weights."""
    tasks = result["intermediate"]
    substitutes = result.get("substitutes") or {}
    name = "all nine" if len(tasks) == 9 and not substitutes else "+".join(tasks) or BASELINE
    if substitutes:
        name += "‡"
    if result.get("mlm"):
        name += f" + MLM x{result['mlm']:g}"
    if result.get("translation"):
        name += f" translated {result['translation']}"
    if tasks and result.get("volume") is not None:  # without intermediate tasks there is nothing to take less of
        volume = result["volume"]
        again = ", steps of all" if result.get("volume_steps") == "whole" else ""
        name += f" ({volume:.3g} of it{again})" if isinstance(volume, float) else f" ({volume:,} examples{again})"
    if result.get("merge"):
        name = f"{result['merge']}({name})"
    name = f"random init, {name}" if random_weights(result) else named(result, name)
    return name + arm(result)


def arm(result: Result) -> str:
    """What follows the name of a row that is no plain zero-shot transfer: its shots, or its translated test rows."""
    translations = result.get("translate_test")
    return shots(result) + (f", translate-test ({translations})" if translations else "")


def shots(result: Result) -> str:
    """What follows the name of a row of few-shot transfer; nothing follows that of zero-shot transfer."""
    return f", {words(result['shots'])}" if result.get("shots") else ""


def named(result: Result, name: str) -> str:
    """What is known by a name, as a control where it is one: ``placebo(mnli)``."""
    return f"{result['control']}({name})" if result.get("control") else name


def random_weights(result: Result) -> bool:
    """Whether a cell started from random weights."""
    return bool(result.get("weights", "pretrained") != "pretrained")


def control(result: Result) -> bool:
    """Whether a cell is a control, which is no finding: from random weights, or one of :data:`CONTROLS`."""
    return random_weights(result) or bool(result.get("control"))


def identity(result: Result, part: str) -> Any:
    """A part of what a cell is; None where an earlier version did not record it, and where it has none."""
    return (result.get("identity") or {}).get(part)


def evaluation(result: Result) -> str | None:
    """The key of a cell's evaluation; None where it is not known."""
    rows: Sequence[Mapping[str, Any]] = result.get("rows") or ({},)
    found = identity(result, "evaluation") or rows[0].get("stage")
    return found if found is None else str(found)


def compared(result: Result) -> tuple[bool, str | None]:
    """Whether it is known which evaluation a cell's gain is a gain over; and its key, None where it has no gain."""
    if result.get("identity"):
        return True, identity(result, "baseline")
    if not result["intermediate"] and not random_weights(result):
        return True, None
    for stage in result.get("stages") or ():  # a cell of an earlier version that made its own baseline
        if stage["kind"] == "evaluate" and stage["label"].startswith(f"{BASELINE} > "):
            return True, stage["key"]
    return False, None


def meaningless(result: Result) -> bool:
    """Whether a training of a cell collapsed or found nothing, so that its scores mean nothing."""
    return bool(result["collapsed"]) and "marks" in result


def is_intermediate(label: str) -> bool:
    """Whether a training's label is that of an intermediate phase; that of a target names the chain before it."""
    return " > " not in label


def unlearnt(result: Result) -> bool:
    """Whether intermediate trainings alone came to nothing, so that what was trained after them means something."""
    said = [mark for mark in result.get("marks") or () if mark["of"] == "cell" and mark["verdict"] != "unknown"]
    before = (mark["kind"] == "train" and is_intermediate(mark["label"]) for mark in said)
    return meaningless(result) and bool(result["intermediate"]) and bool(said) and all(before)


def unsure(result: Result) -> bool:
    """Whether an earlier version called a training of a cell collapsed, by its loss alone."""
    old = bool(result["collapsed"]) and "marks" not in result
    return old or any(mark["verdict"] == "unknown" for mark in result.get("marks") or ())


def reasons(result: Result) -> str:
    """Why the scores of a cell mean nothing."""
    said = [mark for mark in result.get("marks") or () if mark["of"] == "cell" and mark["verdict"] != "unknown"]
    return "; ".join(f"{mark['label']} {mark['verdict']}, {mark['why']}" for mark in said)


def labels(results: Sequence[Result]) -> list[Label]:
    """What cells are called beside one another.

    Args:
        results: What cells returned, what their ``result.json`` holds, or what a sweep's record says of them.

    Returns:
        A label for each. Two have the same row and column only if they are the same but for the seed, as far as the
        results tell. Where one name has two meanings, a folder's name, a revision or eight digits of a digest follow.
    """
    told = _told_apart(results)
    names = [row_name(result) for result in results]
    texts = [_set_to(result, told[result["target"]]) for result in results]
    encoders = _distinct(
        list(zip(names, texts, strict=True)),
        [str(result["model"]) for result in results],
        results,
        "encoder",
    )
    names = _distinct(list(zip(encoders, texts, strict=True)), names, results, "before")
    columns = _distinct(list(texts), [str(result["target"] or "-") for result in results], results, "task")
    several = len(set(encoders)) > 1
    models = [f"{encoder} / " if several else "" for encoder in encoders]
    rows = [model + name + text for model, name, text in zip(models, names, texts, strict=True)]
    places = list(zip(rows, columns, strict=True))
    suffixes = _suffixes(places, places, results, "rest")
    found: list[Label] = []
    holder: dict[tuple[Any, ...], str] = {}
    for at, result in enumerate(results):
        row = rows[at] + suffixes[at]
        cell = str(result.get("cell") or result.get("name") or "")
        what = evaluation(result) or cell
        if holder.setdefault((row, columns[at], result["seed"]), what) != what:
            row += f" ({cell[-8:]})"  # they differ in something that no result says
        baseline = models[at] + BASELINE + arm(result) + _set_to(result, told[result["target"]], *BEFORE)
        found.append(Label(encoders[at], names[at], row, columns[at], baseline))
    return found


def tidy_rows(results: Sequence[Result]) -> list[dict[str, Any]]:
    """All rows of results, as what their cells are called beside one another.

    Args:
        results: As for :func:`labels`.

    Returns:
        Every row. In ``model``, ``intermediate`` and ``target``, names with two meanings are made distinct. Rows of an
        earlier version have None for ``encoder`` and ``setting``.
    """
    found = []
    for result, label in zip(results, labels(results), strict=True):
        more = {"encoder": identity(result, "encoder"), "setting": identity(result, "rest")}
        suffix = label.before.removeprefix(row_name(result))
        for row in result["rows"]:
            names = {"model": label.encoder, "intermediate": row["intermediate"] + suffix, "target": label.column}
            found.append({**row, **names, **more})
    return found


def _told_apart(results: Sequence[Result]) -> dict[Any, list[str]]:
    """The options in which cells differ that would otherwise stand in one place; the seed apart.

    The recipe of a target may differ from that of another one, so its options name the cells of a target only where
    cells of this target differ in them. All other options name the cells of every target.

    Returns:
        Each target with the options that tell its cells apart.
    """
    rows: dict[Hashable, list[Mapping[str, Any]]] = {}
    targets: dict[Any, dict[Hashable, list[Mapping[str, Any]]]] = {}
    for result in results:
        settings = result.get("settings") or {}
        row = result["model"], row_name(result)
        targets.setdefault(result["target"], {}).setdefault(row, []).append(settings)
        common = {name: value for name, value in settings.items() if name.startswith((*BEFORE, "model.", "data."))}
        rows.setdefault(row, []).append(common)
    own = {target: _differing(places.values()) for target, places in targets.items()}
    everywhere = _differing(rows.values()).union(*own.values())
    everywhere = {option for option in everywhere if not option.startswith(OF_TARGET)}
    return {target: sorted(everywhere | options) for target, options in own.items()}


def _differing(places: Iterable[Sequence[Mapping[str, Any]]]) -> set[str]:
    """The options that have several values in one place at least."""
    found: set[str] = set()
    for alike in places:
        for option in {name for settings in alike for name in settings} - found:
            values = [settings[option] for settings in alike if option in settings]
            if any(value != values[0] for value in values):
                found.add(option)
    return found


def _set_to(result: Result, options: Sequence[str], *without: str) -> str:
    settings = result.get("settings") or {}
    shown = [option for option in options if option in settings and not option.startswith(without or ("\0",))]
    return "".join(f", {option}={option_value(settings[option])}" for option in shown)


def _distinct(scopes: Sequence[Hashable], names: Sequence[str], results: Sequence[Result], part: str) -> list[str]:
    return [name + more for name, more in zip(names, _suffixes(scopes, names, results, part), strict=True)]


def _suffixes(scopes: Sequence[Hashable], names: Sequence[Hashable], results: Sequence[Result], part: str) -> list[str]:
    """What follows names so that they are distinct.

    Args:
        scopes: Of each cell: where a name must have one meaning.
        names: Of each cell.
        results: The cells.
        part: The part of the identity that is the meaning.
    """
    meanings: dict[tuple[Hashable, Hashable], set[str]] = {}
    words: dict[Hashable, dict[str, str | None]] = {}
    for scope, name, result in zip(scopes, names, results, strict=True):
        if (what := identity(result, part)) is not None:
            meanings.setdefault((scope, name), set()).add(what)
            words.setdefault(name, {})[what] = identity(result, f"{part}_from")
    twice = {name: _words(words[name]) for (_, name), found in meanings.items() if len(found) > 1}
    found = [twice.get(name, {}).get(identity(result, part)) for name, result in zip(names, results, strict=True)]
    return [f" ({word})" if word is not None else "" for word in found]


def _words(origins: Mapping[str, str | None]) -> dict[str, str]:
    """A short word for each of several things: the end of its path, else eight digits of its digest."""
    parts = {what: PurePath(origin).parts for what, origin in origins.items() if origin is not None}
    for length in range(1, 1 + max(map(len, parts.values()), default=0)):
        ends = {what: "/".join(part[-length:]) for what, part in parts.items()}
        if len(set(ends.values())) == len(origins):
            return ends
    return {what: what[:8] for what in origins}


def unrecorded(results: Iterable[Result]) -> str:
    """What a reader has to know of results that do not say what they are; empty where all do."""
    found = sum(not result.get("identity") for result in results)
    if not found:
        return ""
    cells = "1 cell is" if found == 1 else f"{found} cells are"
    return (
        f"{cells} of an earlier version, which did not record what encoder, tasks and settings are: they are told "
        "apart by their names. The same command again records it, and trains nothing."
    )

"""A cell's result as a reader sees it: the table per language, the notes below it, the curve of layers."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from stilts_xtreme.core.manifest import removed
from stilts_xtreme.core.terminal import Plain, table
from stilts_xtreme.core.text import csv_table, markdown_table, visible
from stilts_xtreme.core.text import markdown as escaped
from stilts_xtreme.report import groups, rules
from stilts_xtreme.report.benchmark import published
from stilts_xtreme.report.labels import CONTROLS, arm, named


def curve(result: Mapping[str, Any]) -> str:
    """The score of every layer, a line for each language and layer, as CSV."""
    rows = [
        {"target": result["target"], "language": language, "layer": layer, "value": value}
        for language, values in result["layers"].items()
        for layer, value in enumerate(values)
    ]
    return csv_table(("target", "language", "layer", "value"), rows)


def _columns(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    compared = any(line["baseline"] is not None for line in result["comparison"])
    columns = [("language", "language"), ("n", "n"), ("metric", "metric")]
    if any(line["floor"] is not None for line in result["comparison"]):
        columns.append(("best floor", "floor"))
    if compared:
        return [*columns, ("baseline", "baseline"), ("after intermediate", "value"), ("gain", "gain")]
    return [*columns, ("score", "value")]


def _sections(result: Mapping[str, Any], whole: bool) -> list[list[list[str]]]:
    """The lines of a table in sections: languages (or groups of them, where they are many), and the means over all."""
    columns = _columns(result)
    lost = ["value"] * bool(result["collapsed"]) + ["baseline"] * bool(result.get("baseline_collapsed"))

    def cell_text(line: Mapping[str, Any], field: str) -> str:
        value = line.get(field)
        if value is None:
            return ""
        if field == "gain":
            return f"{value:+.1f}"
        text = f"{value:.1f}" if isinstance(value, float) else str(value)
        return text + "†" * (field in lost)

    parts = [result["comparison"]] if whole or not groups.are_many(result) else groups.grouped(result)
    sections = [[[cell_text(line, field) for _, field in columns] for line in part] for part in parts if part]
    means = []
    others = "mean, others" if arm(result) else "mean, zero-shot"
    for label, title in (("zero_shot", others), ("all", "mean, all")):
        averages = {
            field: result["averages"].get(f"{label}_{field}") for field in ("floor", "baseline", "value", "gain")
        }
        if averages["value"] is not None and len(result["comparison"]) > 1:
            means.append([cell_text({"language": title, **averages}, field) for _, field in columns])
    return [*sections, means]


def _title(result: Mapping[str, Any]) -> str:
    first = named(result, "+".join(result["intermediate"]))
    if result["mlm"]:
        first += f" + MLM x{result['mlm']:g}"
    if result["translation"]:
        first += f", translated: {result['translation']}"
    path = " > ".join(filter(None, [first, result["target"]])) + arm(result)
    data = ", SYNTHETIC data" if result["synthetic"] else ""
    return f"{result['model']}: {path}, seed {result['seed']}{data}"


def notes(result: Mapping[str, Any]) -> list[str]:
    """What a reader has to know beside the numbers, a sentence each."""
    found = []
    if result.get("control"):
        found.append(f"{named(result, '+'.join(result['intermediate']))}: {CONTROLS[result['control']]}")
    if result["comparison"] and result["intermediate"] and result["comparison"][0]["baseline"] is None:
        found.append("No gain: the same target was not run without the intermediate task (baseline=false).")
    if result.get("translate_test"):
        source = result["source_language"]
        others = ", ".join(line["language"] for line in result["comparison"] if line["language"] != source)
        found.append(
            f"Translate-test, no zero-shot transfer: the model read translations into {source} "
            f"({result['translate_test']}) of the test rows in {others}."
        )
    if result["missing_languages"]:
        known = len(result["comparison"])
        total = known + len(result["missing_languages"])
        found.append(
            f"The means are over {known} of the target's {total} languages: no rows here for "
            f"{', '.join(result['missing_languages'])}."
        )
    for name, what in result["substitutes"].items():
        found.append(f"{name} is a free substitute, NOT {what.upper()}: do not report it under that name.")
    found += _marks(result)
    if result.get("caveat"):
        found.append(result["caveat"])
    if result.get("retrieval"):
        found.append(f"hidden_states[{result['retrieval']['layer']}], {result['retrieval']['pooling']} pooling.")
    if result.get("layers"):
        means = [sum(values) / len(values) for values in zip(*result["layers"].values(), strict=True)]
        shown = ", ".join(f"[{layer}] {value:.1f}" for layer, value in enumerate(means))
        found.append(f"Mean of every layer of hidden_states: {shown} (by language: layers.csv).")
    if result.get("candidates"):
        found.append(f"Ranked: {result['candidates']['count']:,} candidates.")
    if result.get("bitext"):
        chosen = {"dev": "chosen on dev rows", "test": "CHOSEN ON THE SCORED ROWS, which flatters"}
        shown = ", ".join(f"{language} {value:.4f}" for language, value in result["bitext"]["thresholds"].items())
        found.append(f"Margin thresholds {chosen.get(result['bitext']['chosen_on'], 'as given')}: {shown}.")
    found += rules.notes(result)
    found += [published.sentence(line) for line in result.get("published", ())]
    if result.get("unverified"):
        found.append(f"Unverified values of recipe={result['recipe']}: {', '.join(result['unverified'])}.")
    names = sorted({line["floor_name"] for line in result["comparison"] if line["floor_name"]})
    if names:
        found.append(f"Best floor: the highest score without knowledge of the languages ({', '.join(names)}).")
    return found


MEANT = {
    "cell": "the scores of this run mean nothing, and it has no gain",
    "baseline": "the baseline means nothing, and so there is no gain",
}


def _marks(result: Mapping[str, Any]) -> list[str]:
    """What of a result means nothing, a sentence each."""
    found = []
    for mark in result.get("marks") or ():
        about = f"{mark['label']} ({mark['task']})"
        if mark["verdict"] == "unknown":
            found.append(f"It is not known whether {about} collapsed: {mark['why']}.")
        else:
            found.append(f"{mark['verdict'].upper()}: {about}: {mark['why']}; {MEANT[mark['of']]}.")
    if not result["collapsed"]:
        alone = [f"{line['language']}: {line['nothing']}" for line in result["comparison"] if line.get("nothing")]
        if alone:
            found.append(f"Nothing is shown in {'; '.join(alone)}.")
    return found


def markdown(result: Mapping[str, Any]) -> str:
    """What ``table.md`` holds."""
    parts = [f"# {escaped(_title(result))}"]
    titles = [title for title, _ in _columns(result)]
    for whole in (False, True) if groups.are_many(result) else (True,) * bool(result["comparison"]):
        parts.append("\n".join(markdown_table(titles, chain.from_iterable(_sections(result, whole)))))
    if by_rule := rules.lines(result):
        parts.append("\n".join(markdown_table(rules.TITLES, by_rule)))
    return "\n\n".join([*parts, *map(escaped, _dev_scores(result)), *map(escaped, notes(result))]) + "\n"


def _dev_scores(result: Mapping[str, Any]) -> list[str]:
    """Of a cell without target, which has no table: what its tasks came to."""
    averages = {} if result["comparison"] else result["averages"]
    return [f"{name.removeprefix('dev_')}: {value:.1f} on English dev rows" for name, value in averages.items()]


def show(result: Mapping[str, Any], folder: Path, console: Plain) -> None:
    """Prints table, notes, and where everything is.

    Args:
        result: What ``result.json`` holds.
        folder: The cell's folder, ``<output>/cells/<name>``.
        console: Where to.
    """
    if result["comparison"]:
        titles = [title for title, _ in _columns(result)]
        right = [title for title in titles if title not in ("language", "metric")]
        drawn = table(*titles, right=right, title=visible(_title(result)))
        for section in _sections(result, whole=False):
            for at, line in enumerate(section, 1):
                drawn.add_row(*map(visible, line), end_section=at == len(section))
        console.print(drawn)
    if by_rule := rules.lines(result):
        drawn = table(*rules.TITLES, right=rules.TITLES[1:], title=rules.CAPTION)
        for line in by_rule:
            drawn.add_row(*map(visible, line))
        console.print(drawn)
    if groups.are_many(result):
        console.line_of(f"{groups.MEANING} Each language: {folder / 'table.md'}")
    for sentence in (*_dev_scores(result), *notes(result), f"result, table, predictions and curves: {folder}"):
        console.line_of(sentence)
    if result.get("shots"):
        console.line_of("The model of each language was not kept; the shots are listed in shots.json there.")
        return
    models = [stage["key"] for stage in result["stages"] if stage["kind"] in ("train", "select", "merge")]
    if result["rows"]:  # there may be those of other rules beside
        models = [key for key in models if key == result["rows"][0]["trained"]]
    if models:
        stage = folder.parent.parent / "stages" / models[-1]
        console.line_of(f"trained model: {stage / 'models'}" + ", without its weights" * bool(removed(stage)))

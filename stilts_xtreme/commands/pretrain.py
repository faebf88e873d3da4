"""Pretrains an encoder and writes it down to be shipped.

The encoder is made as a cached stage, so that the command goes on after a kill, and is then evaluated with the
project's own cells: retrieval at every layer, part of speech, inference. OUTPUT/pretrained/NAME gets the weights in
half precision, the tokenizer, what they were made from, and a page of the figures.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stilts_xtreme.cell import run as cells
from stilts_xtreme.cell import tracking
from stilts_xtreme.cell.config import make_cell
from stilts_xtreme.cell.plan import plan
from stilts_xtreme.cell.store import Store
from stilts_xtreme.core import compose
from stilts_xtreme.core.command import Parser, command
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.specs import Cell
from stilts_xtreme.core.stage import Pretraining
from stilts_xtreme.core.terminal import out, say
from stilts_xtreme.core.text import markdown, visible
from stilts_xtreme.data.corpus import world_key
from stilts_xtreme.data.synthetic import DESCRIPTIONS
from stilts_xtreme.models.shipped import MADE

PROBES = ("udpos", "xnli")


def parser() -> Parser:
    """The options of the command."""
    parser = Parser(
        "pretrain",
        str(__doc__),
        ["model=mini", "model=mini model.pretraining.steps=30000 data.world.sentences=400000"],
    )
    parser.takes_a_run("the options of a run without tasks; python -m stilts_xtreme --help lists them")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; a user's error ends in one sentence and exit code 1."""

    def work(options: Namespace) -> None:
        out(f"written to {ship(options.options)}")

    return command(arguments, parser(), work)


def ship(arguments: Sequence[str]) -> Path:
    """Pretrains, evaluates and writes an encoder.

    Args:
        arguments: A command line without tasks.

    Returns:
        The folder with the encoder and its page.

    Raises:
        StiltsError: For a model that is not pretrained here, or any fault of the command line.
    """
    for argument in arguments:
        if argument.lstrip("+").startswith(("target=", "intermediate=")):
            raise StiltsError(f"{argument} is not an option here: pretraining has no task.")
    asked = ["+target=tatoeba", "++model.shipped=null", *arguments]
    cell = make_cell(compose.compose(compose.prepare(asked)))
    if cell.model.architecture is None:
        raise StiltsError(
            f"model={cell.model.name} is not pretrained here; choose mini or another with an architecture."
        )
    if not cell.synthetic:
        raise StiltsError(
            f"data={cell.data.kind} is refused: an encoder that ships with the package is made from data=synthetic."
        )
    first = plan(cell).final.chain()[0]
    assert isinstance(first, Pretraining)
    store = Store(cell.output, cell.on_damage)

    stage, _ = cells.ensure(cell, first, store, tracking.goal(cell, {}, ""), say)
    folder = Path(cell.output) / "pretrained" / cell.model.name
    fresh = folder.parent / "new" / folder.name  # named as it will be: its cells are named after it
    shutil.rmtree(fresh, ignore_errors=True)
    ignored = shutil.ignore_patterns("README.md", "*.safetensors*")
    shutil.copytree(stage / "models" / "pretrained", fresh, ignore=ignored)
    halve(stage / "models" / "pretrained", fresh)
    manifest = json.loads((stage / "manifest.json").read_text(encoding="utf-8"))
    made = {
        "command": " ".join(["python -m stilts_xtreme.pretrain", *filter(_matters, arguments)]),
        "world": world_key(cell.data),
        "identity": first.identity,
        "info": manifest["info"],
        "versions": manifest["made"]["versions"],
    }
    (fresh / MADE).write_text(json.dumps(made, indent=1, sort_keys=True, ensure_ascii=False), encoding="utf-8")
    page = describe_encoder(fresh, arguments, cell, made, (stage / "curve.jsonl").read_text(encoding="utf-8"))
    (fresh / "README.md").write_text(page, encoding="utf-8")
    old = fresh.with_name(f"{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        os.rename(folder, old)
    os.rename(fresh, folder)
    shutil.rmtree(fresh.parent)
    return folder


def _matters(argument: str) -> bool:
    """Whether an option changes the encoder, rather than where and how fast it is made."""
    return not argument.lstrip("+").startswith(("output=", "trainer", "logger"))


def halve(source: Path, destination: Path) -> None:
    """Joins a model's weight files into one in half precision, under the names that ``from_pretrained`` looks for."""
    from safetensors.torch import load_file, save_file

    weights: dict[str, Any] = {}
    for file in sorted(source.glob("*.safetensors")):
        weights |= {name: value.half() for name, value in load_file(file).items()}
    save_file(weights, destination / "model.safetensors", metadata={"format": "pt"})


def describe_encoder(folder: Path, arguments: Sequence[str], cell: Cell, made: Mapping[str, Any], curve: str) -> str:
    """Evaluates a written encoder with cells of its own, and returns the page of its figures.

    Args:
        folder: The encoder.
        arguments: The command line it was made by.
        cell: The cell of that command line.
        made: What it was made from.
        curve: The training curve, a JSON object a line.

    Returns:
        Markdown.
    """
    kept = [argument for argument in arguments if not argument.lstrip("+").startswith("model")]
    base = [f"model={folder}", "data=synthetic", "recipe=mini", "logger=none", *kept]

    def rows_of(*options: str) -> list[dict[str, Any]]:
        return cells.run(compose.compose(compose.prepare([*base, *options])))["comparison"]

    layers = range(int(dict(cell.model.architecture or {})["num_hidden_layers"]) + 1)
    retrieval = [rows_of("+target=tatoeba", f"retrieval.layer={layer}") for layer in layers]
    columns: dict[str, dict[str, str]] = {}
    for layer, rows in zip(layers, retrieval, strict=True):
        columns[f"retrieval, layer {layer}"] = {row["language"]: f"{row['value']:.1f}" for row in rows}
    for probe in PROBES:
        rows = rows_of(f"+target={probe}")
        columns[probe] = {row["language"]: f"{row['value']:.1f}" for row in rows}
        columns[f"{probe}, best floor"] = {row["language"]: f"{row['floor']:.1f}" for row in rows}
    points = [json.loads(line) for line in curve.splitlines() if line.strip()]
    shown = [points[round(at * (len(points) - 1) / 10)] for at in range(11)] if len(points) > 10 else points
    info = made["info"]
    lines = [
        f"# {markdown(cell.model.name)}",
        "",
        "An encoder pretrained by masked language modelling on the synthetic world: **every figure here is synthetic**",
        "and says nothing about real encoders. Made by",
        "",
        f"    {visible(made['command'])}",
        "",
        f"{info['parameters']:,} parameters, {info['steps']:,} steps, {info['tokens']:,} tokens, "
        f"{sum(info['texts'].values()):,} texts, {info['vocabulary']:,} pieces; weights in half precision.",
        "",
        "| step | " + " | ".join(str(point["step"]) for point in shown) + " |",
        "|" + "---|" * (len(shown) + 1),
        "| loss | " + " | ".join(f"{point['loss']:.2f}" for point in shown) + " |",
        "",
        f"| language | texts | {' | '.join(columns)} |",
        "|" + "---|" * (len(columns) + 2),
    ]
    for language in DESCRIPTIONS:
        if any(language in column for column in columns.values()):
            values = [column.get(language, "") for column in columns.values()]
            lines.append(f"| {language} | {info['texts'].get(language, 0):,} | {' | '.join(values)} |")
    lines += ["", *(f"- `{language}`: {text}" for language, text in DESCRIPTIONS.items()), ""]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())

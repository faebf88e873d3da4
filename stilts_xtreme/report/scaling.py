"""Reports what intermediate training gives by the size of the encoder, or by the volume of its rows.

It writes a table, points and curves. The sweeps +study=sizes and +study=volumes end with this report. Whatever they
held equal is found in what was trained, so that the points of several sweeps may be put together.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from stilts_xtreme.core.command import Parser, command
from stilts_xtreme.core.files import write_atomic
from stilts_xtreme.core.terminal import Plain, out
from stilts_xtreme.core.text import markdown as escaped
from stilts_xtreme.report.families import Family, Place, families, short
from stilts_xtreme.report.points import POINTS, Point, read, table, together

MEANING = {
    "equal tokens": "every encoder was pretrained on as many tokens; the larger ones cost more",
    "equal compute": "every encoder was pretrained at the same cost; the smaller ones saw more tokens",
    "equal steps": "every volume was trained for as many steps, the same compute; a small one has fewer distinct rows, "
    "which come again more often",
    "equal passes": "every row was seen as often; a small volume is trained for fewer steps",
    "as trained": "nothing is equal at all points",
}


def markdown(found: Sequence[Point], grouped: Sequence[Family]) -> str:
    """The table, a line for each place of each curve."""
    if not grouped:
        return "No cell has an intermediate task and a known place on this axis, so there is no curve.\n"
    axis, seeds = found[0].axis, sorted({point.seed for point in found})
    over = f"seeds {', '.join(map(str, seeds))}; ± is a 95 % interval over seeds (Student's t)"
    about = over if len(seeds) > 1 else f"seed {seeds[0]} alone: no interval"
    what = "the size of the encoder" if axis == "size" else "the volume of intermediate rows"
    parts = ["**Synthetic data: of no meaning beyond this program.**"] if any(p.synthetic for p in found) else []
    targets = escaped(", ".join(sorted({point.target for point in found})))
    parts.append(
        f"Gain over no intermediate task by {what}: the mean over {targets} of "
        f"zero-shot means; {about}. None: the score "
        "without an intermediate task; floor: the mean of the best scores without a model. † a training collapsed or "
        "found nothing, and its seed is in no mean."
    )
    sized = "parameters | without embedding | tokens | FLOPs | intermediate"
    titles = (
        f"| encoder | {sized if axis == 'size' else 'intermediate | examples | steps | passes'} | gain | none | floor |"
    )
    if any(point.flops for point in found) and axis == "size":
        parts.append("Tokens and FLOPs of pretraining are those of text that was seen; a budget pays for padding too.")
    for family in grouped:
        lines = [titles, "|" + "---|" * (titles.count("|") - 1)]
        lines += [_line(place, axis) for places in family.lines.values() for place in places]
        parts += [f"**{family.title}** ({MEANING[family.held]})", "\n".join(lines)]
    places = [place for family in grouped for curve in family.lines.values() for place in curve]
    if not any(place.gain for place in places):
        parts.append(
            "No gains: each needs a cell without an intermediate task, of the same target and seed, and none of the "
            "two marked with †."
        )
    lacking = sorted({f"{p.point.model}, {p.point.intermediate}" for p in places if len(p.seeds) < len(seeds)})
    if lacking:
        parts.append(f"Means are over the seeds that have all targets; some have not: {escaped('; '.join(lacking))}.")
    return "\n\n".join(parts) + "\n"


def _line(place: Place, axis: str) -> str:
    point = place.point
    if axis == "size":
        cells = [*map(short, (point.parameters, point.body, point.tokens)), f"{point.flops:.2g}" if point.flops else ""]
        cells.append(escaped(point.intermediate))
    else:
        passes = f"{point.steps / point.batches:.3g}" if point.steps and point.batches else ""
        cells = [escaped(point.intermediate), _count(point.examples), _count(point.steps), passes]
    cells += [_score(place.gain, "+") + ("†" if place.collapsed else ""), _score(place.baseline, "")]
    return "| " + " | ".join([escaped(point.model), *cells, "" if place.floor is None else f"{place.floor:.1f}"]) + " |"


def _count(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


def _score(found: tuple[float, float | None] | None, sign: str) -> str:
    if found is None:
        return ""
    mean, half = found
    return f"{mean:{sign}.1f}" + (f" ±{half:.1f}" if half is not None else "")


def write(found: Sequence[Point], folder: Path, chosen: Sequence[str] = ()) -> str:
    """Writes ``scaling.md``, ``scaling.csv`` and, where there are gains to draw, ``scaling.png``.

    Args:
        found: Points of one axis.
        folder: Made if it is not there.
        chosen: Sentences on how the cells were chosen, which a reader has to know.

    Returns:
        The text of the first.

    Raises:
        StiltsError: When two cells are the same place of a curve; the second file is written all the same.
    """
    from stilts_xtreme.report.curves import draw  # matplotlib takes half a second

    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / POINTS, table(found))
    grouped = families(found)
    text = "\n\n".join([markdown(found, grouped).rstrip(), *(escaped(sentence) for sentence in chosen)]) + "\n"
    write_atomic(folder / "scaling.md", text)
    if any(place.gain for family in grouped for curve in family.lines.values() for place in curve):
        draw(grouped, any(point.synthetic for point in found), folder / "scaling.png")
    return text


def parser() -> Parser:
    """The options of the command."""
    parser = Parser(
        "report.scaling",
        str(__doc__),
        [
            "outputs/studies/sizes-* --output FOLDER",
            "outputs/studies/sizes-A outputs/studies/sizes-B --output FOLDER",
        ],
    )
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="of a study by size or by volume")
    parser.add_argument("--output", required=True, type=Path, metavar="FOLDER", help="for table and picture; needed")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Draws the points of several sweeps together."""

    def work(options: Namespace) -> None:
        Plain().page(write(together(read(folder / POINTS) for folder in options.folders), options.output))
        out(f"table, points and picture: {options.output}")

    return command(arguments, parser(), work)


if __name__ == "__main__":
    sys.exit(main())

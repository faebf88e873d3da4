"""Says which intermediate tasks are worth trying for a target, before any of them is trained.

Three rules need nothing: the largest data; the target's own format first; the usual two, MNLI and SQuAD. --proxy takes
a finished matrix of another encoder, such as a small one, as a guide. --measure says how good all of these would have
been: the points that the best of their first one and first three tasks stays behind the best task of a finished matrix.
Nothing is trained here.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from stilts_xtreme.core.command import Parser, command
from stilts_xtreme.core.compose import choices
from stilts_xtreme.core.conf import CONF
from stilts_xtreme.core.errors import StiltsError, unknown
from stilts_xtreme.core.terminal import Plain, table

FIRST = (1, 3)
"""After how many tasks regret is told."""


def parser() -> Parser:
    """The options of the command."""
    examples = ["+target=xnli", "+target=panx --proxy outputs/small", "--measure outputs/large --proxy outputs/small"]
    parser = Parser("recommend", str(__doc__), examples)
    parser.add_argument("target", nargs="?", metavar="+target=TASK", help="the target; needed without --measure")
    parser.add_argument(
        "--proxy", type=Path, metavar="FOLDER", help="a finished matrix of another encoder; default: none"
    )
    parser.add_argument("--measure", type=Path, metavar="FOLDER", help="a finished matrix to measure on; default: none")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Recommends intermediate tasks."""

    def work(options: Namespace) -> None:
        proxy = _matrix(options.proxy) if options.proxy else {}
        target = _target(options.target) if options.target else None
        if options.measure:
            _measure(_matrix(options.measure), proxy, target)
        elif target is None:
            raise StiltsError("recommend needs a target, such as +target=xnli, or --measure FOLDER.")
        else:
            _recommend(target, proxy)

    return command(arguments, parser(), work)


def _target(option: str) -> str:
    name = option.removeprefix("+").removeprefix("target=")
    if name not in choices("target"):
        raise unknown("+target", name, choices("target"))
    return name


def _head(target: str) -> str:
    for path in (CONF / "target").glob("*.yaml"):
        described = yaml.safe_load(path.read_text(encoding="utf-8"))
        if target in (path.stem, described.get("name")):
            return str(described["head"])
    raise unknown("+target", target, choices("target"))


def _matrix(folder: Path) -> dict[str, dict[str, dict[int, float]]]:
    from stilts_xtreme.report.recommend import scores
    from stilts_xtreme.report.results import read_cells

    return scores(read_cells(folder, ("cell", "rows", "comparison", "averages", "target", "seed")))


def _orders(
    target: str, proxy: Mapping[str, Mapping[str, Mapping[int, float]]], among: Sequence[str] | None = None
) -> dict[str, list[str]]:
    """The order of each way to choose, of the tasks in question."""
    from stilts_xtreme.report import recommend as ways

    tasks = [task for task in ways.candidates() if among is None or task.name in among]
    orders = {rule: ways.ranked(rule, _head(target), tasks) for rule in (ways.SIZE, ways.FORMAT, ways.USUAL)}
    if target in proxy:
        orders[ways.PROXY] = [task for task in ways.by_matrix(proxy[target]) if among is None or task in among]
    return orders


def _recommend(target: str, proxy: Mapping[str, Mapping[str, Mapping[int, float]]]) -> None:
    orders = _orders(target, proxy)
    shown = table("way to choose", "first", "second", "third", title=f"intermediate tasks to try for {target}")
    for way, order in orders.items():
        shown.add_row(way, *[*order, "", "", ""][:3])
    console = Plain()
    console.print(shown)
    if proxy and target not in proxy:
        console.line_of(f"The matrix of --proxy does not have {target}; it has {', '.join(sorted(proxy))}.")
    console.line_of("How good these ways are on a finished matrix: --measure FOLDER.")


def _measure(
    truth: Mapping[str, Mapping[str, Mapping[int, float]]],
    proxy: Mapping[str, Mapping[str, Mapping[int, float]]],
    only: str | None,
) -> None:
    from stilts_xtreme.report.recommend import regret

    targets = [target for target in truth if only in (None, target) and len(truth[target]) > 1]
    if not targets:
        raise StiltsError("The matrix of --measure has no such target with at least two intermediate tasks.")
    titles = [f"regret@{k}" for k in FIRST]
    shown = table("target", "way to choose", "would try", *titles, right=titles, title="points behind the best task")
    for target in targets:
        for way, order in _orders(target, proxy, list(truth[target])).items():
            if order:
                regrets = [regret(truth[target], order, k) for k in FIRST]
                shown.add_row(target, way, ", ".join(order[:3]), *(_text(*found) for found in regrets))
    console = Plain()
    console.print(shown)
    console.line_of("± is a 95 % interval over seeds (Student's t); one seed has none.")


def _text(mean: float, half: float | None) -> str:
    return f"{mean:.1f}" + (f" ±{half:.1f}" if half is not None else "")


if __name__ == "__main__":
    sys.exit(main())

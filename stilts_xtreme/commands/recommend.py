"""Says which intermediate tasks are worth trying for a target, before the target is trained.

Three rules need nothing: the largest data; the target's own format first; the usual two, MNLI and SQuAD. --proxy takes
a finished matrix of another encoder, such as a small one, as a guide. --texts asks the pretrained encoder whose texts
are most like those of the target. --logme asks how well an encoder after an intermediate training tells the target's
labels apart; it looks at the trainings that the store holds. Both take the options of a run, such as model= and
data.root=. --measure says how good all of these would have been: the points that the best of their first one and first
three tasks stays behind the best task of a finished matrix. Nothing is trained here.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from stilts_xtreme.cell.config import make_cell
from stilts_xtreme.core import compose
from stilts_xtreme.core.command import Parser, command
from stilts_xtreme.core.conf import CONF
from stilts_xtreme.core.errors import StiltsError, unknown
from stilts_xtreme.core.specs import Cell
from stilts_xtreme.core.terminal import Plain, say, table

FIRST = (1, 3)
"""After how many tasks regret is told."""


def parser() -> Parser:
    """The options of the command."""
    examples = ["+target=xnli", "+target=panx --proxy outputs/small", "+target=udpos model=mini --texts --logme"]
    parser = Parser("recommend", str(__doc__), [*examples, "--measure outputs/large --proxy outputs/small"])
    parser.takes_a_run("options of a run: +target=TASK, needed without --measure, model=, data.root=, output=")
    texts = "rank tasks by the likeness of their texts to the target's; takes seconds to minutes; default: no"
    parser.add_argument("--texts", action="store_true", help=texts)
    evidence = "rank tasks whose intermediate training the store (output=) holds by LogME; default: no"
    parser.add_argument("--logme", action="store_true", help=evidence)
    parser.add_argument(
        "--proxy", type=Path, metavar="FOLDER", help="a finished matrix of another encoder; default: none"
    )
    parser.add_argument("--measure", type=Path, metavar="FOLDER", help="a finished matrix to measure on; default: none")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Recommends intermediate tasks."""

    def work(options: Namespace) -> None:
        proxy = _matrix(options.proxy) if options.proxy else {}
        run = compose.prepare(options.options)
        target, rest = _target(run)
        asked = Asked(rest, options.texts, options.logme)
        if options.measure:
            _measure(_matrix(options.measure), proxy, target, asked)
        elif target is None:
            raise StiltsError("recommend needs a target, such as +target=xnli, or --measure FOLDER.")
        else:
            _recommend(target, proxy, asked)

    return command(arguments, parser(), work)


@dataclass(frozen=True)
class Asked:
    """What is asked of encoders.

    Attributes:
        options: Options of a run, without the target.
        texts: Whether for the likeness of texts.
        logme: Whether for LogME.
    """

    options: Sequence[str]
    texts: bool
    logme: bool

    def orders(self, target: str, tasks: Sequence[str]) -> dict[str, list[str]]:
        """Way to choose -> tasks, the most promising first; what cannot be had is said."""
        from stilts_xtreme.report import recommend as ways

        def cell_of(task: str | None) -> Cell:
            own = [f"+intermediate={task}"] if task else []
            return make_cell(compose.compose([*own, f"+target={_choice(target)}", *self.options]))

        if not (self.texts or self.logme):
            return {}
        from stilts_xtreme.cell.likeness import by_evidence, by_texts

        wanted = [(self.texts, ways.TEXTS, by_texts), (self.logme, ways.EVIDENCE, by_evidence)]
        found = {}
        for on, way, order in wanted:
            if on:
                try:
                    found[way] = order(cell_of, tasks)
                except StiltsError as error:
                    say(str(error))
        return found


def _target(run: Sequence[str]) -> tuple[str | None, list[str]]:
    """The target of the options of a run, and the others."""
    named = [option for option in run if option.startswith("+target=")]
    if any(option.startswith("+intermediate=") for option in run):
        raise StiltsError("+intermediate= is refused: recommend says which one to take.")
    target = named[-1].removeprefix("+target=") if named else None
    return target, [option for option in run if option not in named]


def _choice(target: str) -> str:
    """What ``+target=`` calls a target that results call by its name."""
    return next((path.stem for path, described in _targets() if target in (path.stem, described.get("name"))), target)


def _head(target: str) -> str:
    for path, described in _targets():
        if target in (path.stem, described.get("name")):
            return str(described["head"])
    raise unknown("+target", target, compose.choices("target"))


def _targets() -> Iterator[tuple[Path, Mapping[str, Any]]]:
    for path in sorted((CONF / "target").glob("*.yaml")):
        yield path, yaml.safe_load(path.read_text(encoding="utf-8"))


def _matrix(folder: Path) -> dict[str, dict[str, dict[int, float]]]:
    from stilts_xtreme.report.recommend import scores
    from stilts_xtreme.report.results import read_cells

    return scores(read_cells(folder, ("cell", "rows", "comparison", "averages", "target", "seed")))


def _orders(
    target: str,
    proxy: Mapping[str, Mapping[str, Mapping[int, float]]],
    asked: Asked,
    among: Sequence[str] | None = None,
) -> dict[str, list[str]]:
    """The order of each way to choose, of the tasks in question."""
    from stilts_xtreme.report import recommend as ways

    tasks = [task for task in ways.candidates() if among is None or task.name in among]
    orders = {rule: ways.ranked(rule, _head(target), tasks) for rule in (ways.SIZE, ways.FORMAT, ways.USUAL)}
    if target in proxy:
        orders[ways.PROXY] = [task for task in ways.by_matrix(proxy[target]) if among is None or task in among]
    return orders | asked.orders(target, [task.name for task in tasks])


def _recommend(target: str, proxy: Mapping[str, Mapping[str, Mapping[int, float]]], asked: Asked) -> None:
    orders = _orders(target, proxy, asked)
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
    asked: Asked,
) -> None:
    from stilts_xtreme.report.recommend import regret

    targets = [target for target in truth if only in (None, target) and len(truth[target]) > 1]
    if not targets:
        raise StiltsError("The matrix of --measure has no such target with at least two intermediate tasks.")
    titles = [f"regret@{k}" for k in FIRST]
    shown = table("target", "way to choose", "would try", *titles, right=titles, title="points behind the best task")
    for target in targets:
        for way, order in _orders(target, proxy, asked, list(truth[target])).items():
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

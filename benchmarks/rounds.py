"""The common part of all benchmarks: turns in rounds, two clocks, the load of others, the machine, a table, options.

A *way* is one of the things compared: a function that is given a :class:`Clock`, does its work within it, and returns
facts about the outcome by which one sees that the others did the same work. The first way is this project's.
"""

from __future__ import annotations

import argparse
import gc
import importlib.metadata
import json
import os
import platform
import resource
import shlex
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil
from threadpoolctl import threadpool_limits

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.files import write_atomic
from stilts_xtreme.core.progress import say
from stilts_xtreme.models.meters import processor

LIBRARIES = ("torch", "transformers", "datasets", "tokenizers", "faiss-cpu")


class Clock:
    """Seconds that a block takes.

    Attributes:
        cpu: Processor seconds of this process and of the children it has waited for.
        wall: Seconds on the wall.
        foreign: Cores that other programs kept busy meanwhile, on average.
    """

    cpu = wall = foreign = 0.0

    def __enter__(self) -> Clock:
        self._began = _now()
        return self

    def __exit__(self, *_: object) -> None:
        self.cpu, self.wall, busy = (after - before for after, before in zip(_now(), self._began, strict=True))
        self.foreign = max(0.0, busy - self.cpu) / self.wall


def _now() -> tuple[float, float, float]:
    """Processor seconds of this process, seconds on the wall, and processor seconds of the whole machine."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.synchronize()
    own = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    machine = psutil.cpu_times()
    idle = machine.idle + getattr(machine, "iowait", 0.0)
    twice = getattr(machine, "guest", 0.0) + getattr(machine, "guest_nice", 0.0)  # counted as user, too
    return sum(some.ru_utime + some.ru_stime for some in own), time.perf_counter(), sum(machine) - idle - twice


Way = Callable[[Clock], Mapping[str, Any]]


def turns(ways: Mapping[str, Way], rounds: int) -> dict[str, dict[str, Any]]:
    """Runs every way once in every round, in another order each round.

    Returns:
        Per way ``cpu``, ``wall`` and ``foreign`` of each round, and ``facts`` of the last.
    """
    found: dict[str, dict[str, Any]] = {way: {"cpu": [], "wall": [], "foreign": []} for way in ways}
    names = list(ways)
    for turn in range(rounds):
        first = turn % len(names)
        for way in names[first:] + names[:first]:
            gc.collect()
            clock = Clock()
            found[way]["facts"] = dict(ways[way](clock))
            for name in ("cpu", "wall", "foreign"):
                found[way][name].append(round(getattr(clock, name), 4))
            say(f"  round {turn + 1}, {way}: {clock.cpu:.2f} s")
    return found


def ratios(result: Mapping[str, Any], way: str, clock: str) -> list[float]:
    """How many times as long as the first way a way took, in each round."""
    first = next(iter(result["ways"].values()))
    return [theirs / own for theirs, own in zip(result["ways"][way][clock], first[clock], strict=True)]


def table(result: Mapping[str, Any]) -> str:
    """A result in Markdown: medians; ratios are medians of the rounds' own, with the least and the largest."""
    ways = result["ways"]
    work, clock = result["work"], result.get("clock", "cpu")
    shown = {"wall": "wall"} if clock == "wall" else {"cpu": "CPU", "wall": "wall"}
    facts = list(dict.fromkeys(name for entry in ways.values() for name in entry["facts"]))
    compared = list(shown) if result.get("compared", True) else []
    head = ["way", *(f"{name} s" for name in shown.values()), *(f"{name}/s" for name in work), *facts]
    head += [f"{shown[kind]}, times ours" for kind in compared]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for way, entry in ways.items():
        seconds = {kind: statistics.median(entry[kind]) for kind in shown}
        cells = [way, *(f"{some:.2f}" for some in seconds.values())]
        cells += [f"{amount / seconds[clock]:,.0f}" for amount in work.values()]
        cells += [_plain(entry["facts"].get(name, "")) for name in facts]
        for kind in compared:
            some = ratios(result, way, kind)
            cells.append(f"{statistics.median(some):.2f} ({min(some):.2f} to {max(some):.2f})")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _plain(value: Any) -> str:
    return f"{value:.5f}" if isinstance(value, float) else str(value)


def machine() -> dict[str, Any]:
    """What the measurement ran on."""
    installed = {distribution.name for distribution in importlib.metadata.distributions()}
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "system": platform.system(),
        "python": platform.python_version(),
        **_card(),
        **{name: importlib.metadata.version(name) for name in LIBRARIES if name in installed},
    }


def _card() -> dict[str, str]:
    torch = sys.modules.get("torch")
    return {"gpu": torch.cuda.get_device_name()} if torch is not None and torch.cuda.is_available() else {}


def at_least(least: int) -> Callable[[str], int]:
    """The type of an option that is a whole number with a lower bound."""

    def number(text: str) -> int:
        if not text.lstrip("+-").isdigit() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text} is refused: give a whole number of at least {least}")
        return int(text)

    return number


def parser(name: str, text: str, rounds: int = 3) -> argparse.ArgumentParser:
    """A parser with the options of every benchmark.

    Args:
        name: The benchmark's module.
        text: What it does, for ``--help``.
        rounds: The default number of rounds.
    """
    made = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{name}", description=text, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--rounds", type=at_least(1), default=rounds, help="how often each is measured (%(default)s)")
    made.add_argument("--output", type=Path, help="a JSON file for the result")
    return made


def run(made: argparse.ArgumentParser, arguments: list[str] | None, measure: Callable[..., dict[str, Any]]) -> None:
    """Measures on one thread with the given options, prints the table, and writes the JSON file.

    Args:
        made: From :func:`parser`, with the benchmark's own options.
        arguments: Of the command line.
        measure: Takes the options by name; returns ``settings``, ``work`` (amounts whose rates are shown) and ``ways``
            as :func:`turns` gives them; ``compared=False`` where ratios say nothing, ``clock="wall"`` where only the
            clock on the wall counts: on a GPU, or where processes do the work that this one does not wait for.
    """
    given = sys.argv[1:] if arguments is None else arguments
    options = vars(made.parse_args(given))
    output = options.pop("output")
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    import torch  # here: where threads are counted, all that counts them is loaded

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            result = {"command": f"{made.prog} {shlex.join(given)}".strip(), "machine": machine(), **measure(**options)}
    except StiltsError as error:
        made.error(str(error))
    finally:
        torch.set_num_threads(before)
    print(f"\n{table(result)}\n\n{conditions(result)}")
    if output:
        output.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(output, json.dumps(result, indent=2) + "\n")


def conditions(result: Mapping[str, Any]) -> str:
    """What a result was measured by and on."""
    facts = result["machine"]
    card = f"{facts['gpu']}, " if "gpu" in facts else ""
    libraries = ", ".join(f"{name} {facts[name]}" for name in LIBRARIES if name in facts)
    others = [cores for entry in result["ways"].values() for cores in entry["foreign"]]
    load = (
        f"; other programs kept {statistics.median(others):.2f} cores busy (at most {max(others):.2f})"
        if others
        else ""
    )
    return (
        f"`{result['command']}`: one thread, {result['settings']['rounds']} rounds; {card}{facts['processor']}, "
        f"{facts['cores']} cores, {facts['memory_gib']} GiB, {libraries}{load}."
    )

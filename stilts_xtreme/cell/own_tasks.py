"""The user's own targets as tasks that prediction files are scored for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stilts_xtreme.cell.config import make_cell
from stilts_xtreme.cell.config.machine import elsewhere
from stilts_xtreme.core import compose
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.report.benchmark.averages import Benchmark, Task
from stilts_xtreme.tasks import format_of


def benchmark_of(
    folders: Sequence[Path], options: Sequence[str], labels: Path, known: Benchmark | None = None
) -> Benchmark:
    """The targets of folders of configuration, beside those of a known benchmark.

    Args:
        folders: The user's folders.
        options: Options of a run, which name the folders; a ``+target=NAME`` among them chooses one target.
        labels: The folder of labels: a target that names no languages has those that are there.
        known: The benchmark that they are added to.

    Raises:
        StiltsError: The folder has no target, or one that cannot be used.
    """
    chosen = [word.partition("=")[2] for word in options if word.lstrip("+").startswith("target=")]
    rest = [word for word in options if not word.lstrip("+").startswith("target=")]
    names = chosen or sorted(path.stem for folder in folders for path in (folder / "target").glob("*.yaml"))
    if not names:
        raise StiltsError(
            f"--config-dir {folders[0]} has no target/NAME.yaml, so there is no task of your own to score."
        )
    tasks = {}
    for name in names:
        task = _task([f"+target={name}", *rest], labels)
        tasks[task.name] = task
    own = tuple(tasks)
    if known is None:
        return Benchmark("own tasks", {}, tasks, (), own)
    for name in own:
        if name in known.tasks:
            raise StiltsError(
                f"target.name={name} of --config-dir is also the name of a task of {known.name}: score it without "
                "--benchmark, or give it another name."
            )
    return Benchmark(known.name, known.groups, {**known.tasks, **tasks}, known.qa, own)


def _task(words: Sequence[str], labels: Path) -> Task:
    with elsewhere(True):
        target = make_cell(compose.compose(compose.prepare(words))).target
    assert target is not None
    format = format_of(target.head)
    there = {
        path.name.removeprefix("test-").rpartition(".")[0]
        for extension in format.extensions
        for path in (labels / target.name).glob(f"test-*.{extension}")
    }
    languages = target.languages or tuple(sorted(there))
    return Task(target.name, target.head, target.metric, tuple(languages), format.file_labels(target.test.labels))

"""Sweeps on a real Ray cluster on this machine: a head and two nodes with a logical GPU each."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from support.cells import ROOT, TINY, begun, check_refusal
from support.sweeps import events, folder_of, made, values, weights, when

from stilts_xtreme.commands import status as status_command
from stilts_xtreme.commands.plan import main as plan_main
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.sweep.executors import cluster as clusters
from stilts_xtreme.sweep.executors.ray import Site, room

pytestmark = pytest.mark.ray
needs_ray = pytest.mark.skipif(
    not clusters.importlib.util.find_spec("ray"), reason="Ray is not installed: pip install 'stilts-xtreme[ray]'"
)

SWEEP = (
    # steps enough that whoever waits for a second worker finds it still at work
    *("+intermediate=none,mnli", "+target=xquad", "recipe.intermediate.max_steps=150", "recipe.intermediate.epochs=20"),
    "trainer.checkpoint_seconds=0",
)
RAY = ("hydra/launcher=ray", "hydra.launcher.num_gpus=1")


class Nodes:
    """A Ray cluster of processes of this machine, as ``ray start`` makes them."""

    def __init__(self, folder: Path):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{free.getsockname()[1]}"
        self.temporary = tempfile.mkdtemp(prefix="ray", dir="/tmp")  # sockets in it must have short names
        self.environment = {
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": uuid.uuid4().hex,
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
        }
        self.folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, *options: str) -> None:
        """Starts a node that lives as long as this process says."""
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--object-store-memory=80000000"]
        with (self.folder / "ray.txt").open("ab") as log:
            self.processes.append(
                subprocess.Popen(
                    [*command, *options],
                    env={**os.environ, **self.environment},
                    cwd=self.folder,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            )

    def head(self) -> None:
        """Starts the head, which takes no stages."""
        port = self.address.rpartition(":")[2]
        self.start(
            *("--head", f"--port={port}", f"--temp-dir={self.temporary}", "--num-cpus=0", "--num-gpus=0"),
            "--include-dashboard=false",
        )
        for _ in range(600):
            with socket.socket() as tried:
                if not tried.connect_ex(("127.0.0.1", int(port))):
                    return
            time.sleep(0.1)

    def join(self) -> None:
        """Starts a further node."""
        self.start(f"--address={self.address}", "--num-cpus=1", "--num-gpus=1")

    def count(self) -> int:
        """How many nodes take stages."""
        return sum(node.get("GPU", 0) > 0 for node in clusters.ask(self.address))

    def ready(self, count: int) -> None:
        """Waits until there are so many."""
        for _ in range(60):
            if self.count() == count:
                return
            time.sleep(0.3)
        raise AssertionError((self.folder / "ray.txt").read_text())

    def stop(self) -> None:
        """Ends all that was started here, and nothing else."""
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        shutil.rmtree(self.temporary, ignore_errors=True)


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    found = Nodes(tmp_path_factory.mktemp("nodes"))
    patch = pytest.MonkeyPatch()
    for name, value in found.environment.items():
        if name.startswith("RAY"):
            patch.setenv(name, value)
    try:
        found.head()
        for count in (1, 2):  # one at a time: two that start together on one machine get in each other's way
            found.join()
            found.ready(count)
        yield found
    finally:
        found.stop()
        patch.undo()


@pytest.fixture
def sweep(launch: Callable[..., Any], tmp_path: Path) -> Callable[..., tuple[int, str]]:
    """Runs a tiny multirun in a process of its own: exit code, and what it printed."""

    def call(
        output: Path | str, *arguments: str, patch: Callable[..., None] | None = None, nodes: Nodes | None = None
    ) -> tuple[int, str]:
        log = tmp_path / f"{uuid.uuid4().hex}.txt"
        environment = nodes.environment if nodes else {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": uuid.uuid4().hex}
        where = [f"hydra.launcher.address={nodes.address}"] if nodes else []
        command = ["-m", *TINY, f"output={output}", *arguments, *where]
        process = launch(command, log, _prepare, environment, str(tmp_path), patch)
        process.join(400)
        assert not process.is_alive()
        return process.exitcode, log.read_text()

    return call


def _prepare(environment: dict[str, str], folder: str, patch: Callable[..., None] | None) -> None:
    os.environ.update(environment)
    os.chdir(folder)
    if patch is not None:
        patch()


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory, outputs: Path, launch: Callable[..., Any]) -> Path:
    """The same sweep on this machine's own slots."""
    output = begun(outputs, tmp_path_factory.mktemp("local"))
    log = output / "log.txt"
    process = launch(["-m", *TINY, *SWEEP, f"output={output}", "hydra.launcher.slots=2"], log)
    process.join(400)
    assert process.exitcode == 0, log.read_text()
    return output


@needs_ray
def test_each_stage_is_made_once_on_a_cluster(
    sweep: Callable[..., Any], nodes: Nodes, local: Path, pretrained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert plan_main(["-m", *TINY, *SWEEP, f"output={pretrained}"]) == 0
    assert "To make: 6 of 7 stages" in " ".join(capsys.readouterr().out.split())
    code, said = sweep(pretrained, *SWEEP, *RAY, nodes=nodes)
    assert code == 0, said
    assert "7 distinct stages, 6 of them planned to be made: 6 made, 1 found, 0 failed" in said
    assert len(made(pretrained)) == len(set(made(pretrained))) == 5  # floors are no line that it counts
    assert weights(pretrained) == weights(local)
    assert len(weights(local)) > 3
    assert values(pretrained) == values(local)
    assert "raylet" not in said
    told = events(pretrained, "progress")
    assert {event["host"] for event in told} == {socket.gethostname()}
    assert len({event["pid"] for event in told}) == 2, "a warm process on each of two nodes"
    assert [event["slots"] for event in events(pretrained, "launched")] == [2]
    flags = [entry["made_now"] for path in pretrained.glob("cells/*/result.json") for entry in _stages(path)]
    assert flags.count(False) == 2, "each cell knows, by its parents' references, what this sweep has made"
    assert not (folder_of(pretrained) / "running").exists()
    assert status_command.main([str(folder_of(pretrained)), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["state"] == "finished"
    # again: nothing to make, and nothing is made
    code, said = sweep(pretrained, *SWEEP, *RAY, nodes=nodes)
    assert code == 0, said
    assert "0 of them planned to be made" in said


def _stages(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text())["stages"]
    return found


@needs_ray
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("hydra.launcher.num_gpus=2",), ("hydra.launcher.num_gpus=2", "GPU=1")),
        (("hydra.launcher.num_cpus=2",), ("hydra.launcher.num_cpus=2", "CPU=1")),
    ],
)
def test_more_than_the_cluster_has_is_refused(
    sweep: Callable[..., Any], nodes: Nodes, tmp_path: Path, arguments: Sequence[str], words: Sequence[str]
) -> None:
    code, said = sweep(tmp_path / "out", *SWEEP, *RAY, *arguments, nodes=nodes)
    assert code == 1
    check_refusal(said, words, tmp_path / "out")


def _elsewhere() -> None:
    """The launcher's working directory is one that no node has."""
    original = clusters.Site
    clusters.Site = lambda _, *rest: original("/nowhere", *rest)  # type: ignore


@needs_ray
def test_a_folder_that_nodes_do_not_see_is_refused(sweep: Callable[..., Any], nodes: Nodes, tmp_path: Path) -> None:
    code, said = sweep("out", *SWEEP, *RAY, patch=_elsewhere, nodes=nodes)
    assert code == 1
    line = said.splitlines()[-1]
    assert line.startswith(f"error: The Ray node {socket.gethostname()} does not see out/sweeps/")
    assert "output=FOLDER" in line
    assert not (tmp_path / "out" / "stages").exists()


@needs_ray
def test_a_ray_of_its_own_ends_with_it_and_a_failure_takes_only_what_needs_it(
    sweep: Callable[..., Any], pretrained: Path
) -> None:
    broken = ("+intermediate=none,qqp", "+target=panx", "+recipe.intermediate.tasks.qqp={learning_rate: 1e30}")
    code, said = sweep(pretrained, RAY[0], "hydra.launcher.slots=2", *broken)
    assert code == 1
    (line,) = [line for line in said.splitlines() if line.startswith("error: ")]
    assert "The loss of qqp is" in line
    assert "train qqp" in made(pretrained)
    assert {name.split("-")[1] for name in values(pretrained)} == {"none"}
    assert "3 failed or not made because one before them failed" in said
    pids = {event["pid"] for event in events(pretrained, "progress")}
    assert pids
    deadline = time.monotonic() + 60  # Ray takes its workers down while the command is already gone
    while time.monotonic() < deadline and any(Path(f"/proc/{pid}").exists() for pid in pids):
        time.sleep(0.2)
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


@needs_ray
def test_a_killed_worker_and_a_lost_node_take_nothing_along(
    sweep: Callable[..., Any], nodes: Nodes, local: Path, pretrained: Path
) -> None:
    (mnli,) = {path.parent.name for path in local.glob("stages/*/manifest.json") if '"train mnli"' in path.read_text()}
    gone: list[int] = []

    def training() -> int | None:
        if not (pretrained / "scratch" / mnli / "resume" / "last.ckpt").exists():
            return None
        pids = [event["pid"] for event in events(pretrained, "progress") if event["node"] == mnli]
        return pids[-1] if pids and pids[-1] not in gone else None

    def kill_worker(pid: int) -> None:
        gone.append(pid)
        os.kill(pid, signal.SIGKILL)
        when(training, kill_node)

    def kill_node(pid: int) -> None:
        gone.append(pid)
        raylet = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        assert "raylet" in Path(f"/proc/{raylet}/cmdline").read_text()
        os.kill(pid, signal.SIGSTOP)  # what falls silent with its machine
        os.kill(raylet, signal.SIGKILL)
        time.sleep(1)
        os.kill(pid, signal.SIGKILL)

    when(training, kill_worker)
    code, said = sweep(pretrained, *SWEEP, *RAY, nodes=nodes)
    assert code == 0, said
    assert len(gone) == 2
    worker, *lost = events(pretrained, "lost")
    assert worker["node"] == mnli
    assert f"its worker died on {socket.gethostname()} (process {gone[0]})" in worker["error"]
    assert mnli in {event["node"] for event in lost}
    assert "its node was lost" in lost[0]["error"]
    assert weights(pretrained) == weights(local)
    assert values(pretrained) == values(local)
    assert "7 distinct stages, 6 of them planned to be made: 6 made, 1 found, 0 failed" in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("hydra.launcher.address=127.0.0.1:{port}",), ("hydra.launcher.address=127.0.0.1:", "Connection refused")),
        (("hydra.launcher.address=ray://host:1",), ("hydra.launcher.address=ray://host:1", "HOST:PORT")),
        (("hydra.launcher.num_cpus=0",), ("hydra.launcher.num_cpus=0", "above 0")),
        (("hydra.launcher.num_gpus=1.5",), ("hydra.launcher.num_gpus=1.5", "0.5")),
        (("hydra.launcher.threads=0",), ("hydra.launcher.threads=0",)),
        (("hydra.launcher.slots=0",), ("hydra.launcher.slots=0", "auto")),
        (("hydra.launcher.retries=-1",), ("hydra.launcher.retries=-1", "whole number")),
        (("trainer.devices=2",), ("trainer.devices=2", "one process on one device")),
    ],
)
@needs_ray
def test_refusals_come_before_anything_is_made(
    sweep: Callable[..., Any], tmp_path: Path, arguments: Sequence[str], words: Sequence[str]
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound and not listening: nobody else has it
        port = closed.getsockname()[1]
        code, said = sweep(tmp_path / "out", *SWEEP, RAY[0], *(text.format(port=port) for text in arguments))
    assert code == 1
    check_refusal(said, words, tmp_path / "out")


def test_without_ray_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(StiltsError, match=r"pip install 'stilts-xtreme\[ray\]'"):
        clusters.Cluster(clusters.Options())


def test_a_machine_of_another_version_is_named(tmp_path: Path) -> None:
    (tmp_path / "running").mkdir()
    (tmp_path / "running" / "sign").touch()
    assert Site(str(tmp_path), str(tmp_path), "sign", 1).enter() is None
    assert "has stilts_xtreme" in str(Site(str(tmp_path), str(tmp_path), "sign", 1, "0.0.0").enter())


@pytest.mark.parametrize(
    ("has", "cpus", "gpus", "expected"),
    [
        ({"CPU": 8.0, "GPU": 2.0}, 1, 0, 8),
        ({"CPU": 8.0, "GPU": 2.0}, 1, 1, 2),
        ({"CPU": 1.0, "GPU": 2.0}, 1, 1, 1),
        ({"CPU": 8.0, "GPU": 2.0}, 1, 0.4, 4),  # no task has parts of two GPUs
        ({"CPU": 8.0, "GPU": 4.0}, 1, 2, 2),
        ({"CPU": 1.0}, 0.1, 0, 10),
        ({"CPU": 8.0}, 1, 1, 0),
        ({}, 1, 0, 0),
    ],
)
def test_room(has: dict[str, float], cpus: float, gpus: float, expected: int) -> None:
    assert room(has, cpus, gpus) == expected

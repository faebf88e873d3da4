"""Sweeps as jobs of SLURM: refusals with stand-ins for its commands, and whole sweeps on a real one where it runs."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from support.cells import ROOT, TINY, check_refusal, composed
from support.slurm import LONG, NAMES, STEPS, stand_in, told, training, undisturbed, wait_for
from support.sweeps import values, weights

from stilts_xtreme.__main__ import main
from stilts_xtreme.cell.config import make_cell
from stilts_xtreme.cell.config.machine import elsewhere
from stilts_xtreme.commands import status
from stilts_xtreme.commands.plan import main as plan_main
from stilts_xtreme.report.sweeps import recorded
from stilts_xtreme.sweep.executors import follow, sbatch

submitit = pytest.importorskip("submitit")


REFUSING = """case "$*" in
*--partition=nope*) echo "sbatch: error: invalid partition specified: nope" >&2; exit 1;;
*--gres=tpu*) echo "sbatch: error: Invalid generic resource (gres) specification" >&2; exit 1;;
*--mem=9T*|*--gres=gpu:2*--mem=8G*|*--mem=8G*--gres=gpu:2*)
  echo "allocation failure: Requested node configuration is not available" >&2; exit 1;;
*--time=9-0*) echo "allocation failure: Requested time limit is invalid (missing or exceeds some limit)" >&2; exit 1;;
*--account=down*) echo "sbatch: error: Unable to contact slurm controller (connect failure)" >&2; exit 1;;
*--bogus*) echo "sbatch: unrecognized option '--bogus=3'" >&2; echo 'Try "sbatch --help"' >&2; exit 255;;
esac
"""


SINFO = """case "$*" in
*%R*) echo long; echo debug; echo long;; *%G*) echo gpu:4;; *%l*) echo 1-00:00:00;; *%m*) echo 16000;;
esac
"""


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = stand_in(tmp_path / "bin", sbatch=REFUSING, sinfo=SINFO)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


@pytest.fixture
def sweep(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs a tiny multirun on SLURM: exit code, stdout, stderr."""

    def call(output: Path, *arguments: str) -> tuple[int, str, str]:
        command = ["-m", *TINY, "hydra/launcher=slurm", f"output={output}", *arguments]
        monkeypatch.setattr(sys, "argv", ["stilts_xtreme", *command])
        capsys.readouterr()
        code = main()
        return (code, *capsys.readouterr())

    return call


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["partition=nope"], ["partition=nope", "invalid partition specified", "partitions here: debug, long."]),
        (["partition=long", "mem=4G", "gres=tpu:1"], ["gres=tpu:1", "Invalid generic resource", "here: gpu:4."]),
        (["time=9-0"], ["time=9-0", "time limit is invalid", "1-00:00:00"]),
        (["mem=9T"], ["mem=9T", "not available", "16000"]),
        (["gres=gpu:2", "mem=8G"], ["hydra.launcher.mem=8G hydra.launcher.gres=gpu:2", "not available"]),
        (["additional.bogus=3"], ["hydra.launcher.additional.bogus=3", "unrecognized option"]),
        (["account=down"], ["controller does not answer", "connect failure"]),
        (["time=abc"], ["hydra.launcher.time=abc", "minutes"]),
        (["time=0:00"], ["hydra.launcher.time=0:00", "minutes"]),
        (["cpus_per_task=0"], ["hydra.launcher.cpus_per_task=0", "whole number"]),
        (["max_jobs=many"], ["hydra.launcher.max_jobs=many", "null or a whole number"]),
        (["requeue=maybe"], ["hydra.launcher.requeue=maybe", "true or false"]),
    ],
)
def test_refusals_come_before_anything_is_made(
    sweep: Callable[..., Any], commands: Path, tmp_path: Path, options: Sequence[str], words: Sequence[str]
) -> None:
    code, out, err = sweep(
        tmp_path / "out",
        "+target=xnli",
        *(f"{'+' * option.startswith('additional')}hydra.launcher.{option}" for option in options),
    )
    assert (code, out) == (1, "")
    check_refusal(err, words, tmp_path / "out")


def test_a_machine_without_slurm_or_submitit(
    sweep: Callable[..., Any], commands: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (commands / "sbatch").unlink()
    monkeypatch.setenv("PATH", str(commands))
    code, _, err = sweep(tmp_path / "out", "+target=xnli")
    assert code == 1
    assert "sbatch is not on the PATH" in err
    monkeypatch.setitem(sys.modules, "submitit", None)
    code, _, err = sweep(tmp_path / "out", "+target=xnli")
    assert code == 1
    assert "pip install 'stilts-xtreme[slurm]'" in err
    assert not (tmp_path / "out").exists()


def test_a_gpu_is_that_of_the_job(sweep: Callable[..., Any], commands: Path, tmp_path: Path) -> None:
    code, _, err = sweep(tmp_path / "out", "+target=xnli", "trainer=gpu")
    assert code == 1
    assert "add hydra.launcher.gres=gpu:1" in err
    cfg = composed("+target=xnli", "trainer=auto")
    with elsewhere(True):
        there = make_cell(cfg).trainer
    assert (there.accelerator, there.precision) == ("gpu", "bf16-mixed")
    with elsewhere(False):
        assert make_cell(cfg).trainer.accelerator == "cpu"


def why_not() -> str:
    """Why there is no SLURM to test with; empty where there is one."""
    for name in NAMES:
        if shutil.which(name) is None:
            return f"{name} is not on the PATH"
    done = subprocess.run(["sinfo", "-h", "-o", "%T"], capture_output=True, text=True, timeout=30, check=False)
    if not re.search("idle|mixed|allocated|completing", done.stdout):
        return f"no node of SLURM is up: {done.stdout or done.stderr}"
    return ""


real = pytest.mark.slurm


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A real SLURM, without jobs of the test afterwards."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.setattr(follow, "QUEUE_SECONDS", 1.0)
    monkeypatch.setattr(status, "QUEUE_SECONDS", 0.0)
    yield
    for folder in tmp_path.glob("**/sweeps/*"):
        subprocess.run(["scancel", f"--name={folder.name}"], check=False)


def sweep_folder(output: Path) -> Path:
    (found,) = output.glob("sweeps/*")
    return found


@real
@pytest.mark.usefixtures("cluster")
def test_a_matrix_on_slurm_makes_each_stage_once(
    sweep: Callable[..., Any], pretrained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    matrix = ("+intermediate=none,mnli", "+target=xquad", "evaluation.floors=false")
    assert plan_main(["-m", *TINY, *matrix, f"output={pretrained}"]) == 0
    planned = re.search(r"To make: (\d+) of (\d+) stages", " ".join(capsys.readouterr().out.split()))
    assert planned is not None
    code, out, err = sweep(pretrained, *matrix, "hydra.launcher.gres=gpu:1", "hydra.launcher.time=10")
    assert code == 0, err
    count = int(planned.group(1))
    folder = sweep_folder(pretrained)
    assert len([event for event in told(folder, "done") if event["made"] and len(event["node"]) == 20]) == count == 5
    assert f"{count} of them planned to be made: {count} made, 1 found, 0 failed" in err
    assert "matrix, rows and picture" in out
    assert len(values(pretrained)) == 2
    assert len(recorded.submitted(folder)) == count + 2
    assert len(set(recorded.submitted(folder).values())) == 4, "trainings take their evaluations and cells along"
    flags: dict[str, int] = {}
    for path in pretrained.glob("cells/*/result.json"):
        for entry in json.loads(path.read_text())["stages"]:
            flags[entry["key"]] = entry["made_now"]
    assert sorted(flags.values()) == [False] + [True] * count
    code, again, err = sweep(pretrained, *matrix)
    assert (code, again) == (0, out), err
    assert f"0 made, {count + 1} found" in err
    code, _, err = sweep(pretrained, *matrix, "hydra.launcher.partition=nope")
    assert code == 1
    assert "hydra.launcher.partition=nope is refused by SLURM" in err
    assert "partitions here: debug" in err


@real
@pytest.mark.usefixtures("cluster")
def test_jobs_outlive_their_launcher_and_a_requeue(
    launch: Callable[..., Any], sweep: Callable[..., Any], pretrained: Path, tmp_path: Path
) -> None:
    expected = undisturbed(pretrained, tmp_path / "other", launch)
    log = tmp_path / "log.txt"
    process = launch(["-m", *TINY, *LONG, *STEPS, "hydra/launcher=slurm", f"output={pretrained}"], log)
    wait_for(lambda: list(pretrained.glob("sweeps/*/jobs/*")), log.read_text)
    folder = sweep_folder(pretrained)
    job = wait_for(lambda: training(folder), log.read_text)[0]["job"]
    process.kill()
    process.join()
    assert status.alive(folder)
    assert status.read(folder, True).counts()["running"] == 1
    jobs = recorded.submitted(folder)
    subprocess.run(["scontrol", "requeue", job], check=True)
    wait_for(lambda: sbatch.seconds_left(job)[0] == "PENDING")
    wait_for(lambda: told(folder, "stopped"))  # its last words may come after the queue has it back
    assert list(pretrained.glob("scratch/*/resume/last.ckpt"))
    assert status.read(folder, True).counts()["running"] == 0
    # SLURM would wait for two minutes; in the same second it still holds the first run's credential for revoked
    time.sleep(2)
    subprocess.run(["scontrol", "update", f"JobId={job}", "StartTime=now"], check=True)
    code, _, err = sweep(pretrained, *LONG, *STEPS)
    assert code == 0, err
    assert "jobs of an earlier command that are in the queue: 1; to be submitted besides: 0" in err
    assert recorded.submitted(folder) == jobs
    assert len({event["pid"] for event in told(folder, "started")}) == 2
    assert weights(pretrained) == weights(expected)
    assert values(pretrained) == values(expected)
    assert not status.alive(folder)


@real
@pytest.mark.usefixtures("cluster")
def test_a_failed_stage_on_slurm(sweep: Callable[..., Any], pretrained: Path) -> None:
    broken = "+recipe.intermediate.tasks.qqp={learning_rate: 1e30}"
    code, _, err = sweep(
        pretrained, "+intermediate=qqp", "+target=xquad,panx", "baseline=false", broken, "evaluation.floors=false"
    )
    assert code == 1
    (line,) = [line for line in err.splitlines() if line.startswith("error: ")]
    assert "The loss of qqp is" in line
    folder = sweep_folder(pretrained)
    assert {event["node"] for event in told(folder, "started")} == {event["node"] for event in told(folder, "failed")}
    state = status.read(folder, False)
    assert {state.cell(cell["name"])["because"] for cell in state.graph["cells"]} == {"train qqp"}
    live = wait_for(lambda: not [job for job in (sbatch.states(folder.name) or {}).values() if job.live])
    assert live, "SLURM has cancelled the jobs that waited"

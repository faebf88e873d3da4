"""Sweeps as one graph: each stage once, warm workers as good as fresh ones, and faults that take nothing else along."""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import re
import shutil
import signal
import sys
import time
import weakref
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from support.cells import TINY, cell_of, check_refusal, composed
from support.sweeps import OFTEN, SLOTS, events, folder_of, made, values, weights, when

from stilts_xtreme.__main__ import main
from stilts_xtreme.cell.plan import plan
from stilts_xtreme.cell.store import Store
from stilts_xtreme.commands import status as status_command
from stilts_xtreme.commands.plan import main as plan_main
from stilts_xtreme.core import compose
from stilts_xtreme.report.sweeps import recorded
from stilts_xtreme.sweep import engine as engines
from stilts_xtreme.sweep import planning
from stilts_xtreme.sweep.composer import jobs_of
from stilts_xtreme.sweep.executors import local, worker
from stilts_xtreme.sweep.graph import Node, build
from stilts_xtreme.sweep.planning import PlannedCell
from stilts_xtreme.sweep.trace import spans, waits


def planned_of(*arguments: str) -> list[Any]:
    def work() -> list[Any]:
        jobs, composer = jobs_of(compose.prepare([*TINY, *arguments]))
        return list(planning.cells(jobs, composer.plain))

    return compose.with_hydra(work)


MATRIX = ("+intermediate=none,mnli", "+target=xnli,xquad,mlqa")


@pytest.mark.slow
def test_a_matrix_makes_each_stage_once(
    sweep: Callable[..., Any], pretrained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert plan_main(["-m", *TINY, *MATRIX, f"output={pretrained}"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    match = re.search(r"To make: (\d+) of (\d+) stages", said)
    assert match is not None
    assert match.groups() == ("14", "15")
    assert "6 cells: 15 distinct stages instead of 33" in said
    code, out, err = sweep(pretrained, *MATRIX)
    assert code == 0, err
    assert len(made(pretrained)) == len(set(made(pretrained))) == 11
    assert "15 distinct stages, 14 of them planned to be made: 14 made, 1 found, 0 failed" in err
    assert "matrix, rows and picture" in out
    (study,) = (pretrained / "studies").iterdir()
    assert f"page: {study / 'report.html'}" in out
    # both slots were in use, by stages of all lengths, and neither was empty while a stage was ready
    nodes = json.loads((folder_of(pretrained) / "graph.json").read_text())["nodes"]
    told = list(recorded.events(folder_of(pretrained)))
    assert waits(nodes, told) == []
    assert {span.slot for span in spans(told)} == {0, 1}
    assert {span.node for span in spans(told)} == {node["id"] for node in nodes if not node["done"]}
    # XQuAD and MLQA learn from the same rows
    assert sum("squad" in stage for stage in made(pretrained)) == 2
    flags = {
        entry["key"]: entry["made_now"]
        for path in pretrained.glob("cells/*/result.json")
        for entry in json.loads(path.read_text())["stages"]
    }
    assert sorted(flags.values()) == [False] + [True] * 14
    # a second time from the finished stages, without workers
    code, again, err = sweep(pretrained, *MATRIX)
    assert code == 0, err
    assert again == out
    assert "15 distinct stages, 0 of them planned to be made: 0 made, 15 found, 0 failed" in err
    assert len(made(pretrained)) == 11
    assert status_command.main([str(folder_of(pretrained))]) == 0
    assert "finished" in capsys.readouterr().out


@pytest.mark.slow
def test_weights_go_as_soon_as_nothing_needs_them(sweep: Callable[..., Any], pretrained: Path) -> None:
    def source() -> dict[str, float]:
        found = [json.loads(path.read_text()) for path in pretrained.glob("cells/*xquad*/result.json")]
        return {"+".join(result["intermediate"]): result["comparison"][0]["value"] for result in found}

    asked = ("+intermediate=none,mnli", "+target=xquad,mlqa", "store.weights=needed")
    code, _, err = sweep(pretrained, *asked)
    assert code == 0, err
    gone = list(pretrained.glob("stages/*/removed.json"))
    labels = [json.loads(path.with_name("manifest.json").read_text())["label"] for path in gone]
    assert sorted(labels) == ["train mnli > squad_v1", "train none > squad_v1"]
    assert not [path for note in gone for path in note.parent.rglob("*.safetensors")]
    before = source()
    code, _, err = sweep(pretrained, *asked)
    assert " 0 made" in err, "what was scored is found without its weights"
    for cell in pretrained.glob("cells/*"):
        shutil.rmtree(cell)
    code, _, err = sweep(pretrained, "+intermediate=mnli", "+target=xquad", "languages=[qaa]")
    assert code == 0, err
    assert not list(pretrained.glob("stages/*/removed.json")), "what something new starts from is made again"
    assert source() == {"mnli": before["mnli"]}, "to the same weights"
    # a rule builds its training anew, from the one before it
    code, _, err = sweep(pretrained, "+target=xcopa", "evaluation.rules=[last]", "store.weights=needed")
    assert code == 0, err


def test_stock_launcher_and_sweeper_come_to_the_same(
    sweep: Callable[..., Any], pretrained: Path, outputs: Path, tmp_path: Path
) -> None:
    arguments = ("+intermediate=none,mnli", "+target=xquad", "seed=3")
    other = tmp_path / "other"
    (other / "stages").mkdir(parents=True)
    for path in (pretrained / "stages").iterdir():
        os.symlink(path, other / "stages" / path.name)
    code, out, err = sweep(pretrained, *arguments, "hydra/sweeper=basic", *SLOTS)
    assert code == 0, err
    monkey = [argument for argument in (*arguments, "hydra/launcher=basic") if argument not in SLOTS]
    sys.argv = ["stilts_xtreme", "-m", *TINY, f"output={other}", *monkey]
    assert main() == 0
    assert values(pretrained) == values(other)
    assert len(values(other)) == 2
    assert weights(pretrained) == weights(other)
    assert "matrix, rows and picture" in out


def test_mnli_before_and_mnli_for_xnli_are_one_when_their_recipes_agree(tmp_path: Path) -> None:
    arguments = ("+intermediate=mnli", "+target=xnli,pawsx", f"output={tmp_path}")
    apart = build(planned_of(*arguments), Store(tmp_path))
    together = build(planned_of(*arguments, "recipe.intermediate.learning_rate=1e-3"), Store(tmp_path))
    assert len(apart.stages()) - len(together.stages()) == 1
    (mnli,) = [node for node in together.stages() if node.label == "mnli"]
    assert any(together.nodes[id_].kind == "evaluate" for id_ in together.children[mnli.id])


def test_planning_composes_once_per_choice_of_files() -> None:
    def count(*arguments: str) -> tuple[int, int]:
        def work() -> tuple[int, int]:
            jobs, composer = jobs_of(compose.prepare(arguments))
            return len(list(planning.cells(jobs, composer.plain))), composer.compositions

        return compose.with_hydra(work)

    grid = ("+intermediate=none,mnli", "+target=xnli,panx")
    assert count(*grid) == (4, 1 + 2 + 2)
    assert count(*grid, "seed=range(0,50)") == (200, 1 + 2 + 2)
    assert count("+intermediate=none,mnli,qqp", "+target=xnli,panx,udpos,xcopa", "seed=0,1") == (24, 1 + 3 + 4)
    assert count(*grid, "model=mini,mini_s", "recipe.target.epochs=1,2") == (16, 2 * (1 + 2 + 2))


@pytest.mark.parametrize(
    "arguments",
    [
        ("+target=xnli", "recipe=mini,xtreme", "seed=0,1", "recipe.target={epochs: 2}", "recipe.target.epochs=3"),
        (
            "seed=1,2",
            "+target=udpos",
            "++model.pretraining.steps=3",
            "~dataset.udpos.columns",
            "languages=[qaa],available",
        ),
        ("+target=xnli", "model=mini,xlmr_base", "data=synthetic", "++data.world.train=5,6", "trainer.threads=null,2"),
        ("+intermediate=glob(*)", "+target=xnli,xquad", "seed=4"),
        ("+intermediate=all,anli", "+target=tatoeba,mlqa", "model=xlmr_base", "logger=wandb"),
        ("+intermediate=none", "+target=xnli", "+recipe.target.tasks.xnli.epochs=4", "output='a b',${data.kind}"),
        ("+intermediate=mnli", "+target=xnli", "seed='1',null", "data.root=${output}", "trainer.threads=1.5"),
        ("+study=sizes", "+target=xnli", "+intermediate=none,ccg", "model.pretraining.flops=null,1e13"),
        ("+study=volumes", "+target=xnli,udpos", "+intermediate=mnli", "volume_steps=whole,own", "volume=0.1,1.0"),
        ("+study=phang2020", "+target=panx", "+intermediate=[mnli,qqp],all", "model.weights=random"),
    ],
)
def test_a_job_is_what_hydra_composes(arguments: tuple[str, ...]) -> None:
    from omegaconf import OmegaConf, open_dict

    def work() -> None:
        jobs, composer = jobs_of(compose.prepare(arguments))
        for job in jobs:
            try:
                full = composer.loader.load_sweep_config(composer.master, list(job))
            except Exception as error:
                with pytest.raises(type(error)):
                    composer.plain(job)
                continue
            with open_dict(full):
                del full["hydra"]
            assert composer.plain(job) == OmegaConf.to_container(full, resolve=True)

    compose.with_hydra(work)


BROKEN = ("+intermediate=none,mnli,qqp", "+target=xquad,panx", "+recipe.intermediate.tasks.qqp={learning_rate: 1e30}")


def test_a_failed_stage_fails_only_what_needs_it(
    sweep: Callable[..., Any], pretrained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = sweep(pretrained, *BROKEN)
    assert code == 1
    (line,) = [line for line in err.splitlines() if line.startswith("error: ")]
    assert "The loss of qqp is" in line
    assert {name.split("-")[1] for name in values(pretrained)} == {"none", "mnli"}
    assert len(values(pretrained)) == 4
    assert "matrix, rows and picture" in out
    assert "5 failed or not made because one before them failed" in err
    (study,) = (pretrained / "studies").iterdir()
    for text in (out, (study / "matrix.md").read_text(), (study / "report.html").read_text()):
        assert "2 cells of sweeps are missing here: 2 failed." in text
        assert "train qqp: The loss of qqp is nan" in text
    assert status_command.main([str(folder_of(pretrained)), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["state"] == "finished with failures"
    states = {(tuple(cell["intermediate"]), cell["target"]): cell for cell in found["cells"]}
    assert {key for key, cell in states.items() if cell["state"] == "failed"} == {
        (("qqp",), "xquad"),
        (("qqp",), "panx"),
    }
    assert states[("qqp",), "panx"]["because"] == "train qqp"
    assert "The loss of qqp" in states[("qqp",), "panx"]["error"]
    assert status_command.main([str(folder_of(pretrained))]) == 0
    assert "The loss of qqp" in " ".join(capsys.readouterr().out.split())
    # again: it is tried again, and nothing else is
    before = len(made(pretrained))
    assert sweep(pretrained, *BROKEN)[0] == 1
    assert made(pretrained)[before:] == ["train qqp"]


LONG = ("+intermediate=mnli", "+target=xnli", "baseline=false", "recipe.intermediate.max_steps=150")


def running(output: Path) -> tuple[str, int] | None:
    """Key and process of a training that has written a checkpoint."""
    for path in output.glob("scratch/*/resume/last.ckpt"):
        key = path.parts[-3]
        pids = [event["pid"] for event in events(output, "started") if event["node"] == key]
        if pids:
            return key, pids[-1]
    return None


def test_a_killed_worker_is_replaced_and_goes_on(sweep: Callable[..., Any], pretrained: Path, tmp_path: Path) -> None:
    undisturbed = tmp_path / "undisturbed"
    (undisturbed / "stages").mkdir(parents=True)
    for path in (pretrained / "stages").iterdir():
        os.symlink(path, undisturbed / "stages" / path.name)
    assert sweep(undisturbed, *LONG, OFTEN)[0] == 0
    watch = when(lambda: running(pretrained), lambda found: os.kill(found[1], signal.SIGKILL))
    code, _, err = sweep(pretrained, *LONG, OFTEN)
    watch.join(1)
    assert code == 0, err
    (lost,) = events(pretrained, "lost")
    assert "SIGKILL" in lost["error"]
    pids = [event["pid"] for event in events(pretrained, "started") if event["node"] == lost["node"]]
    assert len(set(pids)) == 2
    assert weights(pretrained) == weights(undisturbed)
    assert values(pretrained) == values(undisturbed)
    assert "5 distinct stages, 4 of them planned to be made: 4 made, 1 found" in err


def test_a_worker_that_always_dies_is_given_up(sweep: Callable[..., Any], pretrained: Path) -> None:
    killed: set[int] = set()

    def alive() -> int | None:
        found = running(pretrained)
        return found[1] if found and found[1] not in killed else None

    def kill(pid: int) -> None:
        killed.add(pid)
        os.kill(pid, signal.SIGKILL)
        if len(killed) < 3:
            when(alive, kill)

    when(alive, kill)
    code, _, err = sweep(pretrained, *LONG, OFTEN, "recipe.intermediate.max_steps=4000")
    assert code == 1
    (line,) = [line for line in err.splitlines() if line.startswith("error: ")]
    assert "train mnli: its worker was killed by SIGKILL, 3 times in all" in line
    assert re.search(r"worker-\d\.log", line)
    assert len(killed) == 3


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] in "ZX"
    except FileNotFoundError:
        return True


def test_ctrl_c_stops_the_workers_and_the_same_command_goes_on(
    sweep: Callable[..., Any], pretrained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    when(lambda: running(pretrained), lambda _: os.kill(os.getpid(), signal.SIGINT))
    code, _, err = sweep(pretrained, *LONG, OFTEN)
    assert code == 130
    assert "the same command continues" in err
    pids = {event["pid"] for event in events(pretrained, "started")}
    assert all(map(gone, pids))
    assert status_command.main([str(folder_of(pretrained))]) == 0
    assert "stopped: the same command goes on" in capsys.readouterr().out
    assert list(pretrained.glob("scratch/*/resume/last.ckpt"))
    assert sweep(pretrained, *LONG, OFTEN)[0] == 0
    assert len(values(pretrained)) == 1


def test_a_killed_launcher_takes_its_workers_along(
    launch: Callable[..., Any], sweep: Callable[..., Any], pretrained: Path, tmp_path: Path
) -> None:
    arguments = [*TINY, *SLOTS, f"output={pretrained}", *LONG, OFTEN, "recipe.intermediate.max_steps=400"]
    process = launch(["-m", *arguments], tmp_path / "log.txt")
    for _ in range(6000):
        found = running(pretrained)
        if found:
            break
        time.sleep(0.01)
    else:
        pytest.fail((tmp_path / "log.txt").read_text())
    assert status_command.alive(folder_of(pretrained))
    state = status_command.read(folder_of(pretrained), True)
    (cell,) = [state.cell(cell["name"]) for cell in state.graph["cells"]]
    assert cell["state"] == "running"
    assert cell["running"][0]["stage"] == "train mnli"
    process.kill()
    process.join()
    for _ in range(500):
        if gone(found[1]):
            break
        time.sleep(0.01)
    else:
        pytest.fail("the worker trains on")
    folder = folder_of(pretrained)
    assert not status_command.alive(folder)
    found = status_command.as_json(folder, status_command.read(folder, False), False)
    assert found["state"] == "stopped"
    assert found["cells"][0] == {**found["cells"][0], "state": "waiting", "waiting": ["train mnli", "floors xnli"]}
    assert sweep(pretrained, *arguments[len(TINY) + 2 :])[0] == 0


def test_a_stage_that_another_process_makes_is_waited_for(
    sweep: Callable[..., Any], pretrained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "BUSY_SECONDS", 0.2)
    stages = plan(cell_of(*TINY, "+intermediate=mnli", "+target=xquad")).stages()
    (mnli,) = [stage for stage in stages if stage.label == "mnli"]
    (pretrained / "locks").mkdir()
    lock = FileLock(pretrained / "locks" / f"{mnli.key}.lock", thread_local=False)
    lock.acquire()
    others = {stage.key for stage in stages if "none" in stage.label}

    def ready() -> bool:
        return others <= {event["node"] for event in events(pretrained, "done")}

    watch = when(ready, lambda _: lock.release())
    code, _, err = sweep(pretrained, "+intermediate=mnli", "+target=xquad")
    watch.join(1)
    assert code == 0, err
    assert {event["node"] for event in events(pretrained, "busy")} == {mnli.key}
    assert made(pretrained).count("train mnli") == 1


def fresh_process(node: Node, log: str) -> None:
    """Makes a node as the only thing that a process does."""
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(target, 1)
    os.dup2(target, 2)
    import torch

    torch.set_num_threads(1)
    worker.make(node, ())


def dirty_worker(orders: Any, lifeline: Any, place: worker.Place) -> None:
    """A worker in which every stage leaves a mess behind."""
    import torch

    original = worker.make

    clean: list[Any] = []

    def make(node: Node, made: Collection[str]) -> bool:
        seen = [torch.get_default_dtype(), torch.is_grad_enabled(), dict(os.environ), torch.get_rng_state().tolist()]
        clean[:] = clean or seen
        assert seen == clean, "the mess of the one before"
        found = original(node, made)
        torch.set_default_dtype(torch.float64)
        torch.manual_seed(7)
        torch.set_grad_enabled(False)
        os.environ["HF_HUB_OFFLINE"] = "0"
        return found

    worker.make = make
    worker.main(orders, lifeline, place)


def test_a_warm_worker_looks_through_its_memory_once() -> None:
    class Knot:
        pass

    knot = Knot()
    knot.self = knot  # type: ignore[attr-defined]
    gone = weakref.ref(knot)
    kept = [[at] for at in range(1000)]
    fresh = worker.Fresh(None)
    try:
        del knot
        fresh.restore()
        assert gone() is None, "what a node leaves behind is given back"
        assert not any(entry is kept[0] for entry in gc.get_objects()), "what stays is not looked at again"
    finally:
        gc.unfreeze()


@pytest.mark.slow
def test_a_warm_worker_is_as_good_as_a_fresh_one(sweep: Callable[..., Any], pretrained: Path, tmp_path: Path) -> None:
    arguments = (
        *("+intermediate=mnli", "+target=xnli,panx", "baseline=false", "seed=1"),
        *("recipe.target.dropout=0.3,0.0", "hydra.launcher.slots=1", "trainer.threads=null"),
    )
    code, _, err = sweep(pretrained, *arguments)
    assert code == 0, err
    pids = {event["pid"] for event in events(pretrained, "started")}
    assert len(pids) == 1, "one worker has made them all"
    other = tmp_path / "fresh"
    (other / "stages").mkdir(parents=True)
    (first,) = [
        path for path in pretrained.glob("stages/*") if "pretrain" in (path / "manifest.json").read_text()[:300]
    ]
    os.symlink(first, other / "stages" / first.name)
    without = [argument for argument in arguments if not argument.startswith("hydra")]
    graph = build(planned_of(*without, f"output={other}"), Store(other))
    context = multiprocessing.get_context("forkserver")
    for node in graph.stages():
        if not node.done and node.kind == "train":
            process = context.Process(target=fresh_process, args=(node, str(tmp_path / "log.txt")))
            process.start()
            process.join(120)
            assert process.exitcode == 0, (tmp_path / "log.txt").read_text()
    assert weights(pretrained) == weights(other)
    assert len(weights(other)) > 5
    dirty = tmp_path / "dirty"
    (dirty / "stages").mkdir(parents=True)
    os.symlink(first, dirty / "stages" / first.name)
    graph = build(planned_of(*without, f"output={dirty}"), Store(dirty))
    ours, theirs = context.Pipe()
    their_end, our_end = context.Pipe(duplex=False)
    place = worker.Place(0, 1, None, str(tmp_path / "dirty.txt"))
    process = context.Process(target=dirty_worker, args=(theirs, their_end, place))
    process.start()
    for node in graph.stages():
        if not node.done and node.kind == "train":
            ours.send((node, []))
            while (report := ours.recv())[0] == "progress":
                pass
            assert report[0] == "done", (tmp_path / "dirty.txt").read_text()
    ours.close()
    our_end.close()
    process.join(10)
    assert weights(dirty) == weights(other)


def test_global_state_is_put_back() -> None:
    import random

    import numpy as np
    import torch

    before = worker.Fresh(1)
    try:
        expected = (random.random(), np.random.rand(), float(torch.rand(())))
        before.restore()
        random.seed(5)
        np.random.seed(5)
        torch.manual_seed(5)
        torch.set_num_threads(2)
        torch.set_default_dtype(torch.float64)
        torch.set_grad_enabled(False)
        torch.use_deterministic_algorithms(True)
        torch.set_float32_matmul_precision("medium")
        torch.backends.cudnn.benchmark = not before.cudnn[1]
        os.environ["STILTS_TEST_LEFT_BEHIND"] = "1"
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        before.restore()
        assert (random.random(), np.random.rand(), float(torch.rand(()))) == expected
        assert torch.get_num_threads() == 1
        assert torch.get_default_dtype() == torch.float32
        assert torch.is_grad_enabled()
        assert not torch.are_deterministic_algorithms_enabled()
        assert torch.get_float32_matmul_precision() == before.matmul
        assert torch.backends.cudnn.benchmark == before.cudnn[1]
        assert "STILTS_TEST_LEFT_BEHIND" not in os.environ
        assert signal.getsignal(signal.SIGTERM) == before.signals[signal.SIGTERM]
    finally:
        before.restore()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("+target=xnli", "hydra.launcher.slots=0"), ("hydra.launcher.slots=0", "auto")),
        (("+target=xnli", "hydra.launcher.slots=many"), ("hydra.launcher.slots=many", "auto")),
        (("+target=xnli", "hydra.launcher.threads=0"), ("hydra.launcher.threads=0", "whole number")),
        (("+target=xnli", "seed=0,1", "trainer.devices=2"), ("trainer.devices=2", "one process on one device")),
        (("+target=xnli", "seed=0,1", "sed=2"), ("option=sed", "did you mean 'seed'")),
    ],
)
def test_refusals_come_before_anything_is_made(
    sweep: Callable[..., Any], tmp_path: Path, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    code, out, err = sweep(tmp_path / "out", *arguments)
    assert (code, out) == (1, "")
    check_refusal(err, words, tmp_path / "out")


def test_status_names_the_sweeps_there_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "sweeps" / "sweep-mini-12345678").mkdir(parents=True)
    (tmp_path / "sweeps" / "sweep-mini-12345678" / "graph.json").write_text('{"schema": 99}')
    assert status_command.main([str(tmp_path / "sweeps" / "sweep-mini-1234567")]) == 1
    assert "did you mean" in capsys.readouterr().err
    assert status_command.main([str(tmp_path / "sweeps" / "sweep-mini-12345678")]) == 1
    assert "newer version" in capsys.readouterr().err
    assert status_command.main(["--help"]) == 0
    assert "--watch" in capsys.readouterr().out


def test_gpus_are_dealt_out_without_torch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3, GPU-ab")
    assert local.gpus() == ["3", "GPU-ab"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert local.gpus() == []
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    tool = tmp_path / "nvidia-smi"
    tool.write_text(
        "#!/bin/sh\necho 'GPU 0: NVIDIA H100 (UUID: GPU-11)'\necho '  MIG 1g.10gb Device 0: (UUID: MIG-aa)'\n"
        "echo '  MIG 1g.10gb Device 1: (UUID: MIG-bb)'\n"
    )
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert local.gpus() == ["MIG-aa", "MIG-bb"]
    executor = local.Local(3, None, ["3", "4"], tmp_path / "logs")
    assert [place.device for place in executor.places] == ["3", "4", "3"]
    assert local.slots_of("auto", ["3", "4"]) == 2


def test_refused_cells_do_not_stop_the_others() -> None:
    found = planned_of("+target=xnli", "seed=0,-1,1")
    assert [type(entry).__name__ for entry in found] == ["PlannedCell", "Refusal", "PlannedCell"]
    good = [entry for entry in found if isinstance(entry, PlannedCell)]
    assert planning.sweep_name(good) == planning.sweep_name(good[::-1]) != planning.sweep_name(good[:1])
    assert composed("+target=xnli", *TINY)["seed"] == 0

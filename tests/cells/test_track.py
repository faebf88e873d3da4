"""What is brought to W&B from the files: all of it, once, also after a kill; against a stand-in for its server."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.cells import ROOT
from support.wandb_files import SECONDS, nobody
from support.wandb_server import Server, wandb_server

from stilts_xtreme.cell import local_runs, wandb_pages, wandb_upload
from stilts_xtreme.cell.local_runs import LocalRun
from stilts_xtreme.commands import track
from stilts_xtreme.report import runs
from stilts_xtreme.report.runs import Keys

KEY = "k3y" * 15
LIVE = {"_runtime", "_step", "_timestamp", "_wandb"}
"""What W&B adds to a point."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    """The stand-in, and a user who is logged in there."""
    import wandb

    with wandb_server() as found:
        nobody(monkeypatch, tmp_path / "home")
        monkeypatch.setenv("WANDB_BASE_URL", found.url)
        monkeypatch.setenv("WANDB_API_KEY", KEY)
        yield found
        wandb.teardown()


@pytest.fixture(scope="module")
def made(run_tiny: Callable[..., Any], outputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output folder with a cell, which was made without a tracker and names a project."""
    from support.cells import begun

    folder = begun(outputs, tmp_path_factory.mktemp("track") / "out")
    named = ("logger=wandb", "logger.mode=disabled", "logger.project=mine", "logger.tags=[first]")
    run_tiny("+intermediate=mnli", "+target=xnli", *named, output=folder)
    return folder


def points(local: LocalRun) -> list[tuple[int, dict[str, float]]]:
    """The points of a curve as W&B should have them: one for each step."""
    found: dict[int, dict[str, float]] = {}
    for step, numbers in wandb_upload.points(local):
        found.setdefault(step, {}).update(numbers)
    return sorted(found.items())


def check(server: Server, local: LocalRun, project: str = "mine", group: str = "xnli") -> None:
    """The server has a run as the files say, and nothing of it twice."""
    there = server.runs[local.run.id]
    assert (there.project, there.state, there.begun) == (project, "finished", 1)
    assert there.fields["displayName"] == local.run.name
    assert (there.fields["groupName"], there.fields["jobType"]) == (group, local.run.job_type)
    history = [(line["_step"], {k: v for k, v in line.items() if k not in LIVE}) for line in there.history]
    if local.curve is not None:
        assert history == points(local)
    else:
        assert [list(line) for _, line in history] == [[runs.TABLE]]
    assert {name: there.summary[name] for name in local.run.summary} == pytest.approx(local.run.summary)


def test_what_is_here_comes_there_once(made: Path, server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert track.main(["upload", str(made), "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "5 runs (1 cell, 1 intermediate, 1 pretrain, 2 target) would be sent; 0 are there." in said
    assert not server.runs
    assert track.main(["upload", str(made)]) == 0
    assert "5 runs (1 cell, 1 intermediate, 1 pretrain, 2 target) sent; 0 were there." in capsys.readouterr().out
    found = local_runs.read(made)
    assert server.runs.keys() == {local.run.id for local in found}
    for local in found:
        check(server, local)
        assert "first" in server.runs[local.run.id].fields["tags"]
    used = {runs.artifact(key) for local in found for key in local.run.uses if local.run.gives is None}
    assert used <= set(server.artifacts)
    server.calls.clear()
    assert track.main(["upload", str(made)]) == 0
    again = capsys.readouterr()
    assert "No run sent; 5 were there." in again.out
    assert set(server.calls) <= {"Viewer", "GetDefaultEntity", "Runs"}, "who has all of it is asked, and told nothing"
    assert KEY not in again.err
    assert not server.unknown


def test_options_win(made: Path, server: Server) -> None:
    assert track.main(["upload", str(made), "--project", "other", "--group", "ours", "--entity", "team"]) == 0
    for local in local_runs.read(made):
        check(server, local, "other", "ours")
    assert {run.fields.get("entity") for run in server.runs.values()} == {"team"}


def test_a_run_that_was_lost_in_the_middle_goes_on(
    made: Path, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    found = local_runs.read(made)
    lost = next(local for local in found if local.run.job_type == "intermediate")
    assert track.main(["upload", str(made)]) == 0
    there = server.runs[lost.run.id]
    del there.history[3:]
    there.state, there.summary = "crashed", {"_step": there.history[-1]["_step"]}
    sent_before = list(there.history)
    capsys.readouterr()
    assert track.main(["upload", str(made)]) == 0
    assert "1 run (1 intermediate) sent; 4 were there." in capsys.readouterr().out
    assert there.history[:3] == sent_before, "what the server had is as it was"
    check(server, lost)


def test_an_upload_that_is_killed_and_given_again_sends_nothing_twice(
    made: Path, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    server.hold_after = 3
    command = [sys.executable, "-m", "stilts_xtreme.track", "upload", str(made)]
    process = subprocess.Popen(
        command, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert server.held.wait(SECONDS)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    states = [run.state for run in server.runs.values()]
    assert states == ["finished", "finished", "running"]
    server.hold_after = None
    server.go.set()
    assert track.main(["upload", str(made)]) == 0
    assert "3 runs (1 cell, " in (out := capsys.readouterr().out)
    assert out.endswith("sent; 2 were there.\n")
    for local in local_runs.read(made):
        check(server, local)


def test_the_pages_of_a_project_are_made_once(made: Path, server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    addresses = []
    for _ in range(2):
        assert track.main(["workspace", str(made), "--entity", "team"]) == 0
        addresses.append(capsys.readouterr().out)
    assert addresses[0] == addresses[1]
    assert json.loads((made / wandb_pages.FILE).read_text()).keys() == {"team/mine"}
    view, report = server.views.values()
    assert (view["displayName"], view["type"]) == (wandb_pages.VIEW, "project-view")
    assert (report["displayName"], report["type"]) == (wandb_pages.DRAFT, "runs/draft")
    local = local_runs.read(made)
    cell = next(one.run for one in local if one.result is not None)
    stage = next(one.run for one in local if one.run.job_type == "target")
    for page in (view, report):
        shown = {name for panel in panels(json.loads(page["spec"])) for name in keys_of(panel)}
        config = {name.partition(":")[2].removesuffix(".value") for name in shown if name.startswith("config:")}
        assert {"intermediate", "target", "seed"} <= config <= cell.config.keys()
        known = {*cell.summary, "zero_shot_gain", "tokens_per_second", "dev", *runs.MATRIX, *config}
        known |= {name for _, numbers in wandb_upload.points(local[1]) for name in numbers}
        plain = {
            name.removesuffix(".value").removeprefix("summary:") for name in shown if not name.startswith("config:")
        }
        assert {"zero_shot_value", "loss", runs.MATRIX[1]} <= plain <= known
    assert stage.job_type in wandb_pages.STAGES
    assert not server.unknown


def panels(spec: Any) -> Iterator[dict[str, Any]]:
    """The panels of a page, wherever they stand in what W&B keeps of it."""
    if isinstance(spec, dict):
        if "viewType" in spec and "config" in spec:
            yield spec
        else:
            for value in spec.values():
                yield from panels(value)
    elif isinstance(spec, list):
        for value in spec:
            yield from panels(value)


def keys_of(panel: dict[str, Any]) -> Iterator[str]:
    """The keys that a panel shows."""
    config = panel["config"]
    yield from config.get("metrics") or ()
    yield from config.get("mediaKeys") or ()
    yield from (column["accessor"] for column in config.get("columns") or ())
    if config.get("groupBy"):
        yield config["groupBy"]


def test_a_folder_that_can_only_be_read(
    made: Path, server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def tree() -> set[Path]:
        return {path for path in made.rglob("*") if path.name != wandb_pages.FILE}

    before = tree()
    assert track.main(["upload", str(made)]) == 0
    assert tree() == before, "an upload writes nothing into the output folder"
    monkeypatch.setattr(wandb_pages.os, "access", lambda path, mode: False)
    assert f"OUTPUT={made} cannot be written" in said(capsys, "workspace", str(made))
    assert not server.views


def test_stages_that_were_removed_are_passed_over(
    made: Path, server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(made, tmp_path / "out")
    gone = next(one.run for one in local_runs.read(made) if one.run.job_type == "intermediate")
    shutil.rmtree(tmp_path / "out" / "stages" / gone.id)
    assert track.main(["upload", str(tmp_path / "out")]) == 0
    assert "4 runs (1 cell, 1 pretrain, 2 target) sent" in capsys.readouterr().out
    assert gone.id not in server.runs


def test_a_package_that_is_missing_is_named(
    made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(wandb_pages.importlib.util, "find_spec", lambda name: None)
    assert "pip install 'stilts-xtreme[wandb]'" in said(capsys, "workspace", str(made))
    assert "--dry-run is an option of track upload" in said(capsys, "workspace", str(made), "--dry-run")


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one sentence by which a command ends."""
    assert track.main(list(arguments)) == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    return lines[0]


def test_who_cannot_send_is_told(
    made: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import wandb

    nobody(monkeypatch, tmp_path / "home")
    assert "Nothing can be sent: no login for https://" in said(capsys, "upload", str(made))
    monkeypatch.setenv("WANDB_MODE", "offline")
    wandb.teardown()
    assert "Nothing can be sent: W&B's own settings say mode=offline" in said(capsys, "upload", str(made))
    assert "OUTPUT=nowhere is not a folder" in said(capsys, "upload", "nowhere")
    assert "holds no finished cell" in said(capsys, "upload", str(tmp_path))
    assert "--project=a/b is refused" in said(capsys, "upload", str(made), "--project", "a/b")
    assert "COMMAND" in said(capsys, "uplod")
    wandb.teardown()


def test_a_server_that_does_not_answer_is_named(
    made: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import wandb

    nobody(monkeypatch, tmp_path / "home")
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
    monkeypatch.setenv("WANDB_BASE_URL", address)
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    found = said(capsys, "upload", str(made))
    assert "The server of W&B does not answer" in found
    assert KEY not in found
    wandb.teardown()


def test_a_run_is_equal_only_as_a_whole(made: Path) -> None:
    from stilts_xtreme.cell.wandb_upload import Known, is_equal

    for local in local_runs.read(made):
        steps = [step for step, _ in points(local)]
        whole: dict[str, Any] = {**local.run.summary, "_step": steps[-1] if steps else 0}
        if local.result is not None:
            whole[runs.TABLE] = {"_type": "table-file"}
        assert is_equal(local, Known("finished", whole))
        assert not is_equal(local, None)
        assert not is_equal(local, Known("crashed", whole))
        for name in whole:
            less = {key: value for key, value in whole.items() if key != name}
            assert is_equal(local, Known("finished", less)) == (name == "_step" and not steps), name
        if steps:
            assert not is_equal(local, Known("finished", {**whole, "_step": steps[-1] - 1}))


def test_keys_of_a_curve_are_those_of_the_run(made: Path) -> None:
    for local in local_runs.read(made):
        keys = Keys()
        for _, numbers in wandb_upload.points(local):
            assert all(keys(name) == name for name in numbers)

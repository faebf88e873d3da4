"""W&B: what the options say, else what W&B's own settings say; a network that fails stops nothing."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.cells import TINY, cell_of
from support.wandb_files import history, nobody, of_kind, records, wandb_files

from stilts_xtreme.cell import tracking, wandb_settings
from stilts_xtreme.cell.wandb_run import WandbRun
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.report.runs import Run

KEY = "k3y" * 15


@pytest.fixture(autouse=True)
def _nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    nobody(monkeypatch, tmp_path / "home")
    monkeypatch.chdir(tmp_path)
    yield
    import wandb

    wandb.teardown()


def options(*arguments: str) -> dict[str, Any]:
    return dict(cell_of("+target=tatoeba", *TINY, "logger=wandb", *arguments).logger)


A_RUN = Run("an-id", "a-cell", "cell", {"seed": 1}, ("mini",))


def goals(*given: dict[str, Any]) -> list[tracking.Goal]:
    return [tracking.Goal(entry, Path("outputs"), "xnli") for entry in given]


def started(folder: Path, *arguments: str, place: Path | None = None) -> tuple[Any, Path, list[str]]:
    """The record of a run that ends at once, the place of its file, and what was said."""
    said: list[str] = []
    WandbRun(options(*arguments), folder, A_RUN, "xnli", said.append).end(A_RUN, False)
    (file,) = wandb_files(place or folder)
    return of_kind(records(file), "run")[0], file, said


def test_what_nobody_has_set(tmp_path: Path) -> None:
    run, file, said = started(tmp_path / "cell")
    assert (run.project, run.entity, run.run_group, run.job_type) == ("stilts_xtreme", "", "xnli", "cell")
    assert run.display_name == "a-cell"
    assert run.run_id == "an-id"
    assert list(run.tags) == ["mini"]
    assert said == [], "where runs are is said once for all"
    wandb_settings.announce(options(), "xnli", tmp_path / "cell", said.append)
    assert said[0].startswith("W&B: no login for https://")
    assert said[0].endswith(f"this uploads them: wandb sync {file.parent.parent}/offline-run-*")


ENVIRONMENT = {
    "WANDB_PROJECT": "theirs",
    "WANDB_ENTITY": "team",
    "WANDB_TAGS": "one,two",
    "WANDB_NAME": "named",
    "WANDB_RUN_GROUP": "grouped",
    "WANDB_JOB_TYPE": "typed",
    "WANDB_NOTES": "noted",
    "WANDB_MODE": "offline",
}


def test_the_environment_is_heard(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("WANDB_DIR", str(tmp_path / "elsewhere"))
    found, file, said = started(tmp_path / "cell", place=tmp_path / "elsewhere")
    assert not wandb_files(tmp_path / "cell")
    assert (found.project, found.entity, found.run_group, found.job_type) == ("theirs", "team", "grouped", "typed")
    assert (found.display_name, found.notes) == ("named", "noted")
    assert set(found.tags) == {"one", "two", "mini"}
    wandb_settings.announce(options(), "xnli", tmp_path / "cell", said.append)
    place = file.parent.parent
    assert said == [f"W&B: the runs stay offline in {place}; this uploads them: wandb sync {place}/offline-run-*"]


def test_what_is_set_for_one_run_is_for_that_of_the_cell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WANDB_RUN_ID", "chosen")
    monkeypatch.setenv("WANDB_NAME", "named")
    for job, expected in (
        ("cell", ("chosen", "named")),
        ("target", ("an-id", "a-cell")),
        ("report", ("an-id", "a-cell")),
    ):
        run = replace(A_RUN, job_type=job)
        WandbRun(options(), tmp_path / job, run, "xnli", print).end(run, False)
        (file,) = wandb_files(tmp_path / job)
        found = of_kind(records(file), "run")[0]
        assert (found.run_id, found.display_name) == expected
    tracking.check(goals(options()))
    with pytest.raises(StiltsError, match=r"^WANDB_RUN_ID=chosen is refused in a sweep: its 2 cells would be one run"):
        tracking.check(goals(options(), options()))


def test_in_a_sweep_of_wandb_only_the_cell_is_a_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WANDB_SWEEP_ID", "theirs")
    monkeypatch.setenv("WANDB_RUN_ID", "given")
    goal = tracking.Goal(options(), tmp_path, "xnli")
    tracking.check([goal])
    assert "name one run, which is the cell's" in capsys.readouterr().err
    for job in ("target", "report", "cell"):
        run = replace(A_RUN, job_type=job)
        tracker = tracking.Tracker(goal, run)
        tracker.begin()
        tracker.point({"step": 1, "loss": 1.0})
        tracker.end(run)
    (file,) = wandb_files(tmp_path)
    assert of_kind(records(file), "run")[0].run_id == "given"


def test_an_option_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("WANDB_MODE", "online")
    own = ("logger.project=mine", "logger.entity=me", "logger.group=ours", "logger.tags=[2026]", "logger.mode=offline")
    run, _, _ = started(tmp_path / "cell", *own)
    assert (run.project, run.entity, run.run_group) == ("mine", "me", "ours")
    assert set(run.tags) == {"2026", "mini"}


def test_settings_files_are_heard(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "wandb").mkdir()
    (tmp_path / "wandb" / "settings").write_text("[default]\nproject = of_a_file\nmode = offline\n")
    (tmp_path / "configuration").mkdir()
    (tmp_path / "configuration" / "settings").write_text("[default]\nentity = of_another\n")
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "configuration"))
    run, _, said = started(tmp_path / "cell")
    assert (run.project, run.entity) == ("of_a_file", "of_another")
    wandb_settings.announce(options(), "xnli", tmp_path / "cell", said.append)
    assert "no login" not in said[0], "offline is what the user has chosen"


def host_of_wandb() -> str:
    import wandb

    return str(wandb.Settings().base_url).split("//")[1]


@pytest.mark.parametrize("place", ["default", "environment", "file"])
def test_a_login_is_found_for_the_host_that_wandb_uses(
    place: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    host = host_of_wandb() if place == "default" else "wandb.example:8080"
    netrc = tmp_path / "home" / ".netrc"
    netrc.write_text(f"machine {host} login user password {KEY}\n")
    netrc.chmod(0o600)
    if place == "environment":
        monkeypatch.setenv("WANDB_BASE_URL", f"https://{host}")
    if place == "file":
        settings = tmp_path / "home" / ".config" / "wandb" / "settings"
        settings.parent.mkdir(parents=True)
        settings.write_text(f"[default]\nbase_url = https://{host}\n")
    assert wandb_settings.mode_of(options()) == ("online", "")


def test_a_login_for_another_host_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    netrc = tmp_path / "home" / ".netrc"
    netrc.write_text(f"machine {host_of_wandb()} login user password {KEY}\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("WANDB_BASE_URL", "https://elsewhere.example")
    mode, reason = wandb_settings.mode_of(options())
    assert mode == "offline"
    assert "no login for https://elsewhere.example" in reason
    with pytest.raises(StiltsError, match=r"^logger\.mode=online needs a login for https://elsewhere\.example"):
        wandb_settings.check_settings(options("logger.mode=online"))


def test_a_key_alone_is_a_login(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    assert wandb_settings.mode_of(options()) == ("online", "")
    assert wandb_settings.mode_of(options("logger.mode=auto")) == ("online", "")
    assert wandb_settings.mode_of(options("logger.mode=disabled")) == ("disabled", "")


@pytest.fixture
def deaf() -> Iterator[str]:
    """The address of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_a_server_that_does_not_answer_stops_nothing(
    deaf: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WANDB_BASE_URL", deaf)
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setattr(wandb_settings, "INIT_SECONDS", 1.0)
    begun = time.monotonic()
    said: list[str] = []
    run = WandbRun(options(), tmp_path / "cell", A_RUN, "xnli", said.append)
    assert time.monotonic() - begun < 30
    run.point(1, {"loss": 1.0})
    run.end(A_RUN, False)
    (file,) = [file for file in wandb_files(tmp_path / "cell") if file.parent.name.startswith("offline-run-")]
    assert of_kind(records(file), "run")[0].run_id == "an-id"
    (sentence,) = said
    assert "the server does not take the run" in sentence
    assert f"wandb sync {file.parent}" in sentence
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert KEY.encode() not in path.read_bytes(), path


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("logger.tags=foo", "logger.tags=foo is refused: it must be a list of texts"),
        ("logger.tags=[a,'']", "of 1 to 64 characters"),
        (f"logger.tags=[{'x' * 65}]", "of 1 to 64 characters"),
        ("logger.tags=[null]", "list of texts"),
        ("logger.tags={a: 1}", "list of texts"),
        ("logger.project=a/b", "logger.project=a/b is refused"),
        ("logger.project=''", "1 to 128 characters"),
        (f"logger.project={'x' * 129}", "1 to 128 characters"),
        ("logger.project=true", "logger.project=true is refused"),
        ("logger.entity=a/b", "logger.entity=a/b is refused"),
        (f"logger.group={'x' * 129}", "logger.group=xxxx"),
        ("logger.mode=onlin", "did you mean 'online'"),
        ("logger.kind=cvs", "logger.kind=cvs is not known"),
        ("+logger.projekt=x", "option=logger.projekt is not known (did you mean 'logger.project'?)"),
    ],
)
def test_bad_options_are_refused_when_a_cell_is_planned(argument: str, words: str) -> None:
    with pytest.raises(StiltsError) as caught:
        options(argument)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("WANDB_MODE", "bad", "'online', 'offline'"),
        ("WANDB_TAGS", "a,,b", "Tag at index 1 is empty"),
        ("WANDB_TAGS", "x" * 65, "65 characters"),
        ("WANDB_PROJECT", "a/b", "cannot contain"),
        ("WANDB_PROJECT", "x" * 129, "128 characters"),
        ("WANDB_ENTITY", "a/b", "1 to 128 characters"),
        ("WANDB_NAME", "x" * 129, "1 to 128 characters"),
        ("WANDB_RUN_GROUP", "x" * 129, "1 to 128 characters"),
        ("WANDB_BASE_URL", "nowhere", "valid URL"),
        ("WANDB_RUN_ID", "a/b", "Run ID"),
        ("WANDB_INIT_TIMEOUT", "soon", "valid number"),
        ("WANDB_RESUME", "perhaps", "'allow', 'must'"),
    ],
)
def test_bad_settings_are_refused_before_anything_is_trained(
    name: str, value: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = options()
    monkeypatch.setenv(name, value)
    with pytest.raises(StiltsError) as caught:
        tracking.check(goals(given))
    assert f"{name}={value[:30]}" in str(caught.value)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["short", f" {KEY}", "s3cr3t!"])
def test_a_bad_key_is_refused_and_not_shown(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = options()
    monkeypatch.setenv("WANDB_API_KEY", key)
    with pytest.raises(StiltsError, match="WANDB_API_KEY") as caught:
        tracking.check(goals(given))
    assert key not in str(caught.value)


def test_a_bad_settings_file_is_named(tmp_path: Path) -> None:
    place = tmp_path / "home" / ".config" / "wandb" / "settings"
    place.parent.mkdir(parents=True)
    place.write_text("[default]\nproject = a/b\n")
    with pytest.raises(StiltsError) as caught:
        tracking.check(goals(options()))
    assert f"{place}: project=a/b is refused" in str(caught.value)


def test_where_runs_are_is_said_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    given = options("logger.project=mine")
    tracking.check(goals(given, given, given))
    assert capsys.readouterr().err.count("no login") == 1
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    import wandb

    wandb.teardown()
    tracking.check(goals(given, given))
    said = capsys.readouterr().err
    assert said.count("W&B:") == 1
    assert f"in the project mine of https://{host_of_wandb()}, in the group xnli" in said
    assert KEY not in said


def test_what_an_earlier_attempt_left_offline_gives_way(tmp_path: Path) -> None:
    """A killed run leaves a folder without an end; the next one has all its points again."""
    for steps in (2, 3):
        run = WandbRun(options(), tmp_path, A_RUN, "xnli", print)
        for step in range(1, steps + 1):
            run.point(step, {"loss": float(step)})
        run.end(A_RUN, False)
    (file,) = wandb_files(tmp_path)
    points = [point for point in history(records(file)) if "loss" in point]
    assert [(point["_step"], point["loss"]) for point in points] == [(1, 1.0), (2, 2.0), (3, 3.0)]


class Continued:
    """A run of W&B that is taken up again online: the server has steps up to 30."""

    def __init__(self) -> None:
        self.starting_step = 31
        self.steps: list[int] = []

    def log(self, values: dict[str, float], step: int) -> None:
        self.steps.append(step)


def test_a_run_that_is_taken_up_again_has_no_point_twice(tmp_path: Path) -> None:
    run = WandbRun.__new__(WandbRun)
    run.run = Continued()
    for step in (10, 20, 30, 40, 50):
        run.point(step, {"loss": 1.0})
    assert run.run.steps == [40, 50]


class Broken:
    """A logger whose every call fails."""

    def __getattr__(self, name: str) -> Any:
        def fail(*_: Any, **__: Any) -> None:
            raise OSError(28, "No space left on device")

        return fail


class WithoutLineage:
    """A logger that cannot keep lineage."""

    def __init__(self) -> None:
        self.ended: list[Any] = []

    def lineage(self, run: Run, folder_of: Any) -> None:
        raise AttributeError("no such function")

    def end(self, run: Run | None, failed: bool) -> None:
        self.ended.append(run)


def test_a_run_without_lineage_has_its_scores(capsys: pytest.CaptureFixture[str]) -> None:
    tracker = tracking.Tracker(goals({"kind": "csv"})[0], A_RUN)
    tracker.backend = backend = WithoutLineage()
    tracker.end(A_RUN, Path)
    assert backend.ended == [A_RUN]
    assert "the run a-cell has no lineage (AttributeError: no such function)" in capsys.readouterr().err


def test_a_logger_that_fails_is_said_once_and_stops_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    tracker = tracking.Tracker(goals({"kind": "csv"})[0], A_RUN)
    tracker.backend = Broken()
    for step in (1, 2, 3):
        tracker.point({"step": step, "loss": 1.0})
    tracker.end(A_RUN, Path)
    said = capsys.readouterr().err
    assert said.count("logger=csv: the run a-cell is not followed any more") == 1
    assert "No space left on device" in said

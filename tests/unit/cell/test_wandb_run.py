"""W&B: what the options say, else what W&B's own settings say; a network that fails stops nothing."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.cells import TINY, cell_of
from support.wandb_files import nobody, of_kind, records, wandb_files

from stilts_xtreme.cell import tracking, wandb_run
from stilts_xtreme.core.errors import StiltsError

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


def started(folder: Path, *arguments: str, name: str = "a-cell") -> tuple[Any, Path, list[str]]:
    """The record of a run of a cell that ends at once, the place of its file, and what was said."""
    said: list[str] = []
    run = wandb_run.start(options(*arguments), folder, name, "xnli", "cell", ["mini"], {"seed": 1}, said.append)
    wandb_run.finish(run, False, said.append)
    (file,) = wandb_files(folder)
    return of_kind(records(file), "run")[0], file, said


def test_what_nobody_has_set(tmp_path: Path) -> None:
    run, file, (said,) = started(tmp_path / "cell")
    assert (run.project, run.entity, run.run_group, run.job_type) == ("stilts_xtreme", "", "xnli", "cell")
    assert run.display_name == "a-cell"
    assert list(run.tags) == ["mini"]
    assert said.startswith("W&B: no login for https://")
    assert said.endswith(f"stays offline; this uploads it: wandb sync {file.parent}")


ENVIRONMENT = {
    "WANDB_PROJECT": "theirs",
    "WANDB_ENTITY": "team",
    "WANDB_TAGS": "one,two",
    "WANDB_NAME": "named",
    "WANDB_RUN_GROUP": "grouped",
    "WANDB_JOB_TYPE": "typed",
    "WANDB_NOTES": "noted",
    "WANDB_RUN_ID": "identified",
    "WANDB_MODE": "offline",
}


def test_the_environment_is_heard(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("WANDB_DIR", str(tmp_path / "elsewhere"))
    said: list[str] = []
    run = wandb_run.start(options(), tmp_path / "cell", "a-cell", "xnli", "cell", ["mini"], {}, said.append)
    wandb_run.finish(run, False, said.append)
    assert not wandb_files(tmp_path / "cell")
    (file,) = wandb_files(tmp_path / "elsewhere")
    found = of_kind(records(file), "run")[0]
    assert (found.project, found.entity, found.run_group, found.job_type) == ("theirs", "team", "grouped", "typed")
    assert (found.display_name, found.notes, found.run_id) == ("named", "noted", "identified")
    assert set(found.tags) == {"one", "two", "mini"}
    assert said == [f"W&B: this run stays offline; this uploads it: wandb sync {file.parent}"]


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
    assert wandb_run._mode(options()) == ("online", "")


def test_a_login_for_another_host_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    netrc = tmp_path / "home" / ".netrc"
    netrc.write_text(f"machine {host_of_wandb()} login user password {KEY}\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("WANDB_BASE_URL", "https://elsewhere.example")
    mode, reason = wandb_run._mode(options())
    assert mode == "offline"
    assert "no login for https://elsewhere.example" in reason
    with pytest.raises(StiltsError, match=r"^logger\.mode=online needs a login for https://elsewhere\.example"):
        wandb_run.check_settings(options("logger.mode=online"))


def test_a_key_alone_is_a_login(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    assert wandb_run._mode(options()) == ("online", "")
    assert wandb_run._mode(options("logger.mode=auto")) == ("online", "")
    assert wandb_run._mode(options("logger.mode=disabled")) == ("disabled", "")


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
    monkeypatch.setattr(wandb_run, "INIT_SECONDS", 1.0)
    begun = time.monotonic()
    said: list[str] = []
    run = wandb_run.start(options(), tmp_path / "cell", "a-cell", "xnli", "cell", [], {}, said.append)
    assert time.monotonic() - begun < 30
    run.log({"loss": 1.0})
    wandb_run.finish(run, False, said.append)
    (file,) = [file for file in wandb_files(tmp_path / "cell") if file.parent.name.startswith("offline-run-")]
    assert of_kind(records(file), "run")[0].run_id == wandb_run.run_id("a-cell")
    (sentence,) = said
    assert "the server does not take the run" in sentence
    assert f"wandb sync {file.parent}" in sentence
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert KEY.encode() not in path.read_bytes(), path


def test_long_names_of_ours_are_cut(tmp_path: Path) -> None:
    said: list[str] = []
    name = "x" * 200 + "-12345678"
    run = wandb_run.start(options(), tmp_path, name, "g" * 100, "cell", ["m" * 100], {}, said.append)
    wandb_run.finish(run, False, said.append)
    (file,) = wandb_files(tmp_path)
    found = of_kind(records(file), "run")[0]
    assert len(found.display_name) <= 128
    assert found.display_name.endswith("-12345678")
    assert [len(tag) for tag in found.tags] == [64]


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
        ("logger.project=true", "logger.project=True"),
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
        tracking.check([given])
    assert f"{name}={value[:30]}" in str(caught.value)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["short", f" {KEY}", "s3cr3t!"])
def test_a_bad_key_is_refused_and_not_shown(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = options()
    monkeypatch.setenv("WANDB_API_KEY", key)
    with pytest.raises(StiltsError, match="WANDB_API_KEY") as caught:
        tracking.check([given])
    assert key not in str(caught.value)


def test_a_bad_settings_file_is_named(tmp_path: Path) -> None:
    place = tmp_path / "home" / ".config" / "wandb" / "settings"
    place.parent.mkdir(parents=True)
    place.write_text("[default]\nproject = a/b\n")
    with pytest.raises(StiltsError) as caught:
        tracking.check([options()])
    assert f"{place}: project=a/b is refused" in str(caught.value)


def test_one_id_for_all_cells_of_a_sweep_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = options()
    tracking.check([given, given])
    assert "no login" in capsys.readouterr().err, "what is offline is said where the sweep is started"
    monkeypatch.setenv("WANDB_RUN_ID", "one")
    import wandb

    wandb.teardown()
    tracking.check([given])
    with pytest.raises(StiltsError, match="WANDB_RUN_ID=one is refused in a sweep"):
        tracking.check([given, given])


class Resumed:
    """A run of W&B that is taken up again: it has three points of a stage's curve."""

    def __init__(self) -> None:
        self.resumed, self.summary = True, {"mnli/step": 30, "mnli/loss": 0.5}
        self.points: list[dict[str, Any]] = []

    def define_metric(self, *_: Any, **__: Any) -> None:
        pass

    def log(self, point: dict[str, Any]) -> None:
        self.points.append(point)


def test_a_run_that_is_taken_up_again_has_no_point_twice(tmp_path: Path) -> None:
    tracker = tracking.Tracker({"kind": "none"}, tmp_path, "a", "b", "cell", [], {})
    tracker.run = Resumed()
    for stage in ("mnli", "mnli > xnli"):
        for step in (10, 20, 30, 40):
            tracker.point(stage, {"step": step, "loss": 1.0})
    assert [point["mnli/step"] for point in tracker.run.points if "mnli/step" in point] == [40]
    others = [point["mnli > xnli/step"] for point in tracker.run.points if "mnli > xnli/step" in point]
    assert others == [10, 20, 30, 40]

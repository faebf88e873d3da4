"""Checkpoints: two are kept, every flip and truncation is noticed, and a kill at any moment leaves a whole one."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stilts_xtreme.training import checkpoints
from stilts_xtreme.training.checkpoints import BEFORE, DIGESTS, LAST, DamagedCheckpoint


def save(folder: Path, step: int) -> None:
    checkpoints.write(folder, lambda path: torch.save({"step": step, "weights": torch.arange(50.0)}, path))


def step_of(path: Path | None) -> int:
    assert path is not None
    return torch.load(path, weights_only=True)["step"]


def test_a_training_without_checkpoint_begins_at_its_beginning(tmp_path: Path) -> None:
    assert checkpoints.usable(tmp_path) is None


def test_the_newest_is_used_and_one_before_it_is_kept(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        save(tmp_path, step)
        assert step_of(checkpoints.usable(tmp_path)) == step
    assert step_of(tmp_path / BEFORE) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted((LAST, BEFORE, DIGESTS))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("written")
    for step in (1, 2):
        save(folder, step)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@settings(max_examples=60, deadline=None)
@given(name=st.sampled_from((LAST, BEFORE, DIGESTS)), at=st.floats(0, 1, exclude_max=True), bit=st.integers(-1, 7))
def test_every_flip_and_truncation_is_noticed(
    written: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory, name: str, at: float, bit: int
) -> None:
    folder = tmp_path_factory.mktemp("flipped")
    for own, content in written.items():
        (folder / own).write_bytes(content)
    content = bytearray(written[name])
    place = int(at * len(content))
    if bit < 0:
        del content[place:]
    else:
        content[place] ^= 1 << bit
    (folder / name).write_bytes(bytes(content))
    found: Path | None = None
    said = ""
    try:
        found = checkpoints.usable(folder)
    except DamagedCheckpoint as error:
        said = str(error)
    if name == DIGESTS and said:  # a list that cannot be read, or that lists neither
        assert str(folder) in said
        assert "store.damaged=retrain" in said
    else:
        assert found is not None, "one of two checkpoints is whole"
        assert found.read_bytes() == written[found.name], "what is used is as it was written"


def test_of_two_damaged_ones_the_newest_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for step in (1, 2):
        save(tmp_path, step)
    (tmp_path / LAST).write_bytes(b"")
    with caplog.at_level(logging.WARNING):
        assert step_of(checkpoints.usable(tmp_path)) == 1
    assert str(tmp_path / LAST) in caplog.text
    (tmp_path / BEFORE).write_bytes(b"PK")
    with pytest.raises(DamagedCheckpoint, match=LAST):
        checkpoints.usable(tmp_path)


@pytest.mark.parametrize("moment", ["save", "list", "first rename", "second rename"])
def test_a_kill_at_any_moment_leaves_a_whole_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    for step in (1, 2):
        save(tmp_path, step)
    replace = checkpoints.os.replace

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    def dying(source: Path, goal: Path) -> None:
        if moment == ("first rename" if Path(goal).name == BEFORE else "second rename"):
            die()
        replace(source, goal)

    with monkeypatch.context() as broken:
        if moment == "list":
            broken.setattr(checkpoints, "write_atomic", die)
        broken.setattr(checkpoints.os, "replace", dying)
        with pytest.raises(KeyboardInterrupt):
            checkpoints.write(tmp_path, die if moment == "save" else lambda path: torch.save({"step": 3}, path))
    assert step_of(checkpoints.usable(tmp_path)) == 2
    save(tmp_path, 4)
    assert step_of(checkpoints.usable(tmp_path)) == 4
    (tmp_path / LAST).unlink()
    assert step_of(checkpoints.usable(tmp_path)) == 2


def test_one_of_an_earlier_version_has_no_digest(tmp_path: Path) -> None:
    torch.save({"step": 7}, tmp_path / LAST)
    assert step_of(checkpoints.usable(tmp_path)) == 7
    save(tmp_path, 8)
    (tmp_path / LAST).unlink()
    assert step_of(checkpoints.usable(tmp_path)) == 7
    for name in (BEFORE, DIGESTS):
        (tmp_path / name).unlink()
    (tmp_path / LAST).write_bytes(b"PK half a file")
    with pytest.raises(DamagedCheckpoint, match=LAST):
        checkpoints.usable(tmp_path)


def test_a_list_that_is_no_list_is_named(tmp_path: Path) -> None:
    save(tmp_path, 1)
    (tmp_path / DIGESTS).write_text(json.dumps({"last": 3}))
    with pytest.raises(DamagedCheckpoint, match=DIGESTS):
        checkpoints.usable(tmp_path)

"""Where downloads and caches of rows go is decided by the user's environment alone, as the libraries read it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.cells import ROOT
from support.fakehub import Fake, serving

LABELS = ("entailment", "neutral", "contradiction")
FROM_HUB = """
from stilts_xtreme.core.schema import DataSpec
from stilts_xtreme.data.catalogue import load_spec
from stilts_xtreme.data.sources import source_of

rows, _ = source_of(load_spec("xnli"), DataSpec("hub"{root})).rows("test", "de")
print(rows["text_a"])
"""
OURS = ("HF_", "HUGGINGFACE_", "TRANSFORMERS_", "XDG_", "STILTS_")


def repository(folder: Path) -> Path:
    """A small XNLI, laid out as the hub has it."""
    splits = ("train", "validation", "test")
    for split in splits:
        path = folder / "de" / f"{split}-00000-of-00001.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = [{"premise": f"{split} {at}", "hypothesis": "b", "label": LABELS[at]} for at in range(3)]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    files = "".join(f"  - split: {split}\n    path: de/{split}-*.jsonl\n" for split in splits)
    (folder / "README.md").write_text(f"---\nconfigs:\n- config_name: de\n  data_files:\n{files}---\n")
    return folder


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Fake]:
    fake = Fake()
    fake.add("datasets", "facebook/xnli", repository(tmp_path / "repository"))
    with serving(fake):
        yield fake


def read(home: Path, root: str = "", **more: str) -> str:
    """Reads rows in a process of its own with nothing of this machine's settings; what it said."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    environment |= {"HOME": str(home), "PYTHONPATH": str(ROOT), **more}
    done = subprocess.run(
        [sys.executable, "-c", FROM_HUB.replace("{root}", root)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def files(folder: Path) -> set[str]:
    return {path.suffix for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("variables", "arrow", "blobs"),
    [
        ({"HF_HOME": "a"}, "a/datasets", "a/hub"),
        ({"HF_DATASETS_CACHE": "b"}, "b", "home/.cache/huggingface/hub"),
        ({"HF_HUB_CACHE": "c"}, "home/.cache/huggingface/datasets", "c"),
        ({"XDG_CACHE_HOME": "d"}, "d/huggingface/datasets", "d/huggingface/hub"),
        ({}, "home/.cache/huggingface/datasets", "home/.cache/huggingface/hub"),
    ],
    ids=lambda value: next(iter(value), "nothing") if isinstance(value, dict) else None,
)
def test_rows_of_the_hub_are_kept_where_the_environment_says(
    variables: dict[str, str], arrow: str, blobs: str, hub: Fake, tmp_path: Path
) -> None:
    places = {name: str(tmp_path / value) for name, value in variables.items()}
    first = read(tmp_path / "home", HF_ENDPOINT=hub.url, **places)
    assert first == "['test 0', 'test 1', 'test 2']\n"
    assert ".arrow" in files(tmp_path / arrow)
    assert (tmp_path / blobs / "datasets--facebook--xnli" / "refs" / "main").exists()
    made = {path.name for path in tmp_path.iterdir()} - {"repository", "cache"}
    assert made == {arrow.partition("/")[0], blobs.partition("/")[0]}
    assert not (tmp_path / "home" / ".cache" / "stilts_xtreme").exists()


def test_what_was_read_once_is_read_without_the_hub(hub: Fake, tmp_path: Path) -> None:
    place = str(tmp_path / "hf")
    first = read(tmp_path / "home", HF_ENDPOINT=hub.url, HF_HOME=place)
    sent = len(hub.sent)
    assert read(tmp_path / "home", HF_HUB_OFFLINE="1", HF_HOME=place) == first
    assert read(tmp_path / "home", HF_ENDPOINT="http://127.0.0.1:9", HF_HOME=place) == first
    assert len(hub.sent) == sent


def test_rows_of_a_folder_leave_nothing_anywhere(tmp_path: Path) -> None:
    repository(tmp_path / "root" / "facebook" / "xnli")
    said = read(tmp_path / "home", f", root={str(tmp_path / 'root')!r}", HF_HOME=str(tmp_path / "hf"))
    assert said == "['test 0', 'test 1', 'test 2']\n"
    assert not files(tmp_path / "hf"), "they are read where they are"
    assert not (tmp_path / "home").exists()

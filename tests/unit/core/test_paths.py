"""Paths on a command line: what the shell hands on is what the program takes."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import example, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf
from support.cells import ROOT, TINY, cell_of

from stilts_xtreme.commands.fetch import main as fetch
from stilts_xtreme.commands.plan import main as plan
from stilts_xtreme.commands.predict import main as predict
from stilts_xtreme.commands.status import main as status
from stilts_xtreme.commands.store import main as store
from stilts_xtreme.core import compose, paths
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.paths import home
from stilts_xtreme.models.naming import source_named
from stilts_xtreme.models.shipped import FOLDER
from stilts_xtreme.report.__main__ import main as report
from stilts_xtreme.report.python import load_results

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)


def read_by_hydra(argument: str) -> str:
    """What Hydra and OmegaConf make of an argument."""
    override = OverridesParser.create().parse_override(argument)
    found: str = OmegaConf.create({"value": override.value()}).value
    return found


@given(TEXT)
@example("a b")
@example("a=b,c[d]{e}#f(g):h")
@example("it's")
@example('say "no"')
@example("back\\")
@example("$HOME/x")
@example("é/💾")
@example("2026")
@example("true")
@settings(max_examples=200)
def test_any_folder_can_be_named(name: str) -> None:
    path = f"/folder/{name}"
    prepared = paths.prepared(f"data.root={path}", many=False)
    if "${" in name:  # Hydra's own reference, which a user may write
        return
    assert prepared is not None
    assert read_by_hydra(prepared) == path


@given(TEXT)
def test_quotes_are_taken_off_as_they_are_put_on(text: str) -> None:
    assert paths.unquoted(paths.quoted(text)) == text
    assert read_by_hydra(f"data.root={paths.quoted(text)}") == text


@given(st.lists(TEXT, min_size=2, max_size=4))
def test_quoted_parts_are_told_apart(names: list[str]) -> None:
    assert paths.values("data.root", ",".join(map(paths.quoted, names)), many=True) == names


@pytest.mark.parametrize(
    "argument",
    [
        *("data.root=null", "output=${oc.env:HOME}/x", "model.path=choice(a,b)", "seed=1", "data=hub"),
        *("+target=xnli", "dataset.mine.files={train: a.csv}", "dataset.mine.files.test=[a.csv,b.csv]"),
    ],
)
def test_what_is_hydras_own_is_left_to_it(argument: str) -> None:
    assert paths.prepared(argument, many=False) is None


def test_a_comma_parts_values_in_a_multirun_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert paths.values("data.root", "/a,/b c", many=True) == ["/a", "/b c"]
    assert paths.values("data.root", "/a,/b c", many=False) == ["/a,/b c"]
    assert paths.values("data.root", "'/a,/b'", many=True) == ["/a,/b"]
    assert paths.values("output", "/a,b", many=True) == ["/a,b"], "a sweep has one output folder"
    assert paths.prepared("evaluation.translate_test=null,/a b", many=True) == "evaluation.translate_test=null,'/a b'"
    (tmp_path / "x,y").mkdir()
    assert paths.values("data.root", "x,y", many=True) == ["x,y"], "it is there, and its parts are not"
    for name in ("x", "y"):
        (tmp_path / name).mkdir()
    with pytest.raises(StiltsError, match=r"data\.root=x,y is refused with -m.*write data\.root='x,y'"):
        paths.values("data.root", "x,y", many=True)


@pytest.fixture
def encoder(tmp_path: Path) -> str:
    """An encoder in a folder that Hydra cannot read without quotes."""
    place = tmp_path / "a b,c=d" / "enc é [1] (x)#{y}"
    shutil.copytree(FOLDER / "mini", place)
    return str(place)


def test_an_encoder_in_any_folder(encoder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for many in ([], ["-m"]):
        name = "enc é [1] (x)#{y}"
        wanted = [*many, "model=custom", f"model.path={paths.quoted(encoder)}", f"model.name={paths.quoted(name)}"]
        assert compose.prepare([*many, f"model={encoder}"]) == wanted
    monkeypatch.setenv("HOME", os.path.dirname(os.path.dirname(encoder)))
    there = "~/" + os.path.relpath(encoder, os.environ["HOME"])
    cell = cell_of("+target=tatoeba", f"model={there}/", "data=synthetic", "recipe=mini", "trainer=cpu", "output=~/o,1")
    assert os.path.samefile(str(cell.model.path), encoder)
    assert cell.output == f"{os.environ['HOME']}/o,1"


def test_encoders_of_a_sweep() -> None:
    assert compose.prepare(["-m", "model=/a/one,/b/two"]) == [
        *("-m", "model=custom", "model.path='/a/one','/b/two'", "model.name=null")
    ]
    assert compose.prepare(["model=org/a,org/b"], many=True) == [
        *("model=custom", "model.id='org/a','org/b'", "model.name=null")
    ]
    assert compose.prepare(["-m", "model=mini,mini_xs"]) == ["-m", "model=mini,mini_xs"]
    for mixed in ("mini,/a/one", "/a/one,org/b", "mini,org/b"):
        with pytest.raises(StiltsError, match=f"model={mixed} is refused: one sweep takes names of conf/model, or"):
            compose.prepare(["-m", f"model={mixed}"])
    with pytest.raises(StiltsError, match=r"model=minii is not known \(did you mean 'mini'"):
        compose.prepare(["-m", "model=mini,minii"])


def test_an_encoder_of_a_sweep_is_called_by_its_place(encoder: str) -> None:
    options = ("data=synthetic", "recipe=mini", "trainer=cpu", "+target=tatoeba", "model=custom", "model.name=null")
    assert cell_of(*options, f"model.path={encoder}").model.name == "enc é [1] (x)#{y}"
    assert cell_of(*options, "model.id=org/some").model.name == "some"


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("data.root=~/none such", "data.root=~/none such is not a folder"),
        ("model=~/none such", "model=~/none such is not a saved encoder"),
        ("model=none/", "model=none/ is not a saved encoder"),
        ("model=$HOME/none", "model=$HOME/none is not a saved encoder"),
        ("output=a\udcff", "output=a\\xff is refused: it is not written in UTF-8"),
        ("model=/a\udcff", "model=/a\\xff is refused"),
        ("--config-dir=~/none such, é", "--config-dir=~/none such, é is not a folder"),
    ],
)
def test_an_error_has_the_path_as_the_user_wrote_it(
    argument: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert plan(["+target=tatoeba", *TINY[-4:], argument]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"error: {words}")
    assert said.count("\n") == 1


def test_own_yaml_in_any_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "cfg é, =1 [x]"
    (folder / "target").mkdir(parents=True)
    text = (compose.conf_dir() / "target" / "xnli.yaml").read_text(encoding="utf-8")
    (folder / "target" / "mine.yaml").write_text(text.replace("target.xnli", "target"), encoding="utf-8")
    assert plan([f"--config-dir={folder}", "+target=mine", f"output={tmp_path / 'o'}"]) == 0, capsys.readouterr().err


@pytest.mark.parametrize("place", ["~nobody-here", "~nobody-here/o"])
def test_the_folder_of_a_user_who_is_not_there_is_refused(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    said = (
        f"{place} is refused: there is no user 'nobody-here'; write ./{place} for a file or folder that is called so."
    )
    for option in ("output", "data.root", "translation", "mlm.source", "evaluation.translate_test"):
        with pytest.raises(StiltsError) as error:
            cell_of("+intermediate=mnli", "+target=xnli", "data=hub", "mlm.weight=0.1", f"{option}={place}")
        assert str(error.value) == said, option
    for work in (
        lambda: compose.prepare([f"model={place}"]),
        lambda: compose.prepare(["--config-dir", place]),
        lambda: load_results(place),
        lambda: source_named(place),
    ):
        with pytest.raises(StiltsError) as error:
            work()
        assert str(error.value) == said
    for main, arguments in (
        (store, ("ls", f"output={place}")),
        (status, (place,)),
        (report, ("outputs", "--output", place)),
        (predict, (place, __file__)),
        (predict, ("mini", place)),
        (fetch, ("+target=xnli", f"data.root={place}")),
    ):
        assert main(arguments) == 1
        assert capsys.readouterr().err == f"error: {said}\n"
    Path(place).mkdir(parents=True)
    assert home(place) == Path(place)
    assert home("~/x") == Path.home() / "x"


def test_homes_are_found_in_one_place() -> None:
    """Python's own ways leave the folder of an unknown user as it is, or fail with a traceback."""
    for path in (ROOT / "stilts_xtreme").rglob("*.py"):
        assert path.name == "paths.py" or "expanduser" not in path.read_text(encoding="utf-8"), path

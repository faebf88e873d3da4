"""The house keeps its order: imports only go down, no circles, few entries, short modules, telling names."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from support import rooms
from support.cells import ROOT

PACKAGE = ROOT / "stilts_xtreme"
TESTS = ROOT / "tests"


# being moved, or being split
LONG = (
    "stilts_xtreme.core.stage",
    "stilts_xtreme.data.catalogue",
)
MOVING = ("stilts_xtreme.models.shipped ->",)


def test_imports_only_go_down() -> None:
    assert [line for line in rooms.upward(PACKAGE) if not line.startswith(MOVING)] == []


def test_no_modules_import_one_another() -> None:
    assert rooms.circles(PACKAGE) == []


def test_few_entries_stand_at_the_top() -> None:
    found = rooms.entries(PACKAGE)
    assert len(found) <= rooms.ENTRIES, found


def test_no_module_is_too_long() -> None:
    assert [line for line in rooms.too_long(PACKAGE) if not line.startswith(LONG)] == []


def test_no_name_is_given_three_times() -> None:
    assert rooms.same_names(PACKAGE) == []


def test_the_package_is_read_at_all() -> None:
    graph = rooms.imports(PACKAGE)
    assert len(graph) > 100
    assert sum(map(len, graph.values())) > 400
    assert "stilts_xtreme.core.specs" in graph["stilts_xtreme.cell.plan"]
    assert {name.split(".")[1] for name in graph if "." in name} == {*rooms.ROOMS, "__main__"}


@pytest.fixture
def house(tmp_path: Path) -> Callable[[Mapping[str, str]], Path]:
    """Writes a small package."""

    def build(files: Mapping[str, str]) -> Path:
        for name, text in {"__init__.py": "", **files}.items():
            path = tmp_path / "stilts_xtreme" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path / "stilts_xtreme"

    return build


@pytest.mark.parametrize(
    "line",
    [
        "from stilts_xtreme.cell.plan import plan",
        "from stilts_xtreme.cell import plan",
        "import stilts_xtreme.cell.plan as planner",
        "from ..cell.plan import plan",
        "from ..cell import plan",
        "from .. import cell",
        "def late():\n    from stilts_xtreme.cell.plan import plan",
        "if TYPE_CHECKING:\n    from stilts_xtreme.cell.plan import Plan",
        "import importlib\nimportlib.import_module('stilts_xtreme.cell.plan')",
    ],
)
def test_every_way_up_is_seen(house: Callable[..., Path], line: str) -> None:
    package = house({"core/a.py": line, "cell/__init__.py": "", "cell/plan.py": "from stilts_xtreme.core import a"})
    (found,) = rooms.upward(package)
    assert found.startswith("stilts_xtreme.core.a -> stilts_xtreme.cell")


def test_ways_down_and_other_packages_are_free(house: Callable[..., Path]) -> None:
    text = "import torch\nfrom stilts_xtreme.core.a import b\nfrom . import other\n"
    package = house(
        {"core/a.py": "", "cell/__init__.py": "", "cell/plan.py": text, "cell/other.py": "", "__main__.py": text}
    )
    assert rooms.upward(package) == []
    assert rooms.imports(package)["stilts_xtreme.cell.plan"] == {"stilts_xtreme.core.a", "stilts_xtreme.cell.other"}


def test_a_room_without_a_place_is_seen(house: Callable[..., Path]) -> None:
    package = house({"attic/a.py": "from stilts_xtreme.core import b", "core/b.py": ""})
    (found,) = rooms.upward(package)
    assert "stilts_xtreme.attic.a stands in no room" in found


def test_circles_are_seen(house: Callable[..., Path]) -> None:
    files = {
        "core/a.py": "def f():\n    from stilts_xtreme.core import b",
        "core/b.py": "from stilts_xtreme.core.c import d",
        "core/c.py": "import stilts_xtreme.core.a",
        "core/d.py": "import stilts_xtreme.core.a",
    }
    assert rooms.circles(house(files)) == [[f"stilts_xtreme.core.{name}" for name in "abc"]]
    assert rooms.circles(house({"core/c.py": ""})) == []


def test_many_entries_long_modules_and_names_three_times_are_seen(house: Callable[..., Path]) -> None:
    package = house({f"{room}/answers.py": "x = 1\n" * rooms.LINES for room in ("core", "data")})
    assert (rooms.too_long(package), rooms.same_names(package), rooms.entries(package)) == (
        [],
        [],
        ["__init__.py", "core", "data"],
    )
    house({"cell/answers.py": "x = 1\n" * (rooms.LINES + 1), "core/x/module.py": "", "data/y/module.py": ""})
    assert rooms.too_long(package) == [f"stilts_xtreme.cell.answers has {rooms.LINES + 1} lines"]
    assert rooms.same_names(package) == ["answers: ['cell/answers.py', 'core/answers.py', 'data/answers.py']"]
    house({"core/z/module.py": ""})
    assert len(rooms.same_names(package)) == 1


# ---- the tests themselves --------------------------------------------------------------------------------------------


def other_tests(tests: Path) -> list[str]:
    """Test files that import from a test file or from a conftest."""
    files = {path.stem for path in tests.rglob("test_*.py")} | {"conftest"}
    found = []
    for path in sorted(tests.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            if isinstance(node, ast.ImportFrom):
                names.append(node.module or "")
            found += [f"{path.relative_to(tests)} imports {name}" for name in names if {*name.split(".")} & files]
    return found


def misplaced(tests: Path, package: Path) -> list[str]:
    """Folders of unit tests that mirror no room, and base names that two test files share."""
    rooms_of = {path.name for path in package.iterdir() if path.is_dir()} | {"benchmarks", "__pycache__"}
    found = [f"unit/{path.name}" for path in (tests / "unit").iterdir() if path.is_dir() and path.name not in rooms_of]
    names = [path.name for path in tests.rglob("test_*.py")]
    return sorted(found) + sorted({name for name in names if names.count(name) > 1})


def test_no_test_imports_from_another_test() -> None:
    assert other_tests(TESTS) == []


def test_tests_stand_in_the_rooms_that_they_test() -> None:
    assert misplaced(TESTS, PACKAGE) == []


def test_what_is_wrong_among_tests_is_seen(house: Callable[..., Path], tmp_path: Path) -> None:
    package = house({"core/a.py": ""})
    for name, text in {
        "unit/core/test_a.py": "from test_b import x\n",
        "unit/attic/test_b.py": "import conftest\n",
        "cells/test_a.py": "from support import x\n",
    }.items():
        path = tmp_path / "tests" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert other_tests(tmp_path / "tests") == [
        "unit/attic/test_b.py imports conftest",
        "unit/core/test_a.py imports test_b",
    ]
    assert misplaced(tmp_path / "tests", package) == ["unit/attic", "test_a.py"]

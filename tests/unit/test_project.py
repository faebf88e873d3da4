"""The project's own files agree: what is imported is declared, and the version stands in one place."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from support.cells import ROOT

import stilts_xtreme

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
# where the name of what is installed is not the name of what is imported
DISTRIBUTIONS = {
    "yaml": "pyyaml",
    "sklearn": "scikit-learn",
    "hydra": "hydra-core",
    "faiss": "faiss-cpu",
    "markdown_it": "markdown-it-py",
    "mlflow": "mlflow-skinny",
}
UNFROZEN = {"setuptools"}  # pip freeze leaves it out
OURS = {"stilts_xtreme", "hydra_plugins", "benchmarks", "support"}


def third_party(folder: Path) -> set[str]:
    """The distributions that the Python files under a folder import, lazily or not; types alone do not count."""
    found = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            found |= {name.partition(".")[0] for name in names}
    found -= sys.stdlib_module_names | OURS | {"_typeshed"}
    return {DISTRIBUTIONS.get(name, name.replace("_", "-")) for name in found}


def declared(*extras: str) -> set[str]:
    lines = list(PROJECT["project"]["dependencies"])
    for extra in extras:
        lines += PROJECT["project"]["optional-dependencies"][extra]
    return {re.split(r"[^\w-]", line, maxsplit=1)[0].lower().replace("_", "-") for line in lines}


@pytest.mark.parametrize(
    ("folder", "extras"),
    [
        ("stilts_xtreme", ("mlflow", "slurm", "ray", "tensorboard", "wandb")),
        ("hydra_plugins", ()),
        ("benchmarks", ("bench",)),
        ("tests", ("dev",)),
    ],
)
def test_what_is_imported_is_declared(folder: str, extras: tuple[str, ...]) -> None:
    used = third_party(ROOT / folder)
    assert used
    assert used - declared(*extras) == set()


def test_what_is_declared_is_imported_or_told() -> None:
    used = third_party(ROOT / "stilts_xtreme") | third_party(ROOT / "hydra_plugins")
    assert declared() - used == set()


def locked(name: str) -> dict[str, str]:
    """Distribution -> its version, of a lock's own lines."""
    lines = [line for line in (ROOT / name).read_text().splitlines() if not line.startswith(("#", "-r "))]
    assert all(re.fullmatch(r"[\w.-]+==[\w.+-]+", line) for line in lines)
    pins = [(canonicalize_name(line.partition("==")[0]), line.partition("==")[2]) for line in lines]
    assert len(dict(pins)) == len(pins)
    return dict(pins)


def needed(wanted: set[str], pinned: set[str]) -> set[str]:
    """Distributions with all that they need themselves, as what is installed here says."""
    found: set[str] = set()
    todo = [(name, frozenset[str]()) for name in wanted]
    while todo:
        name, extras = todo.pop()
        found.add(name)
        for line in metadata.requires(name) or () if name in pinned else ():
            need = Requirement(line)
            # packaging asks for one extra at a time; none is an extra, too
            asked = need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in (*extras, ""))
            other = canonicalize_name(need.name)
            if asked and (other not in found or need.extras):
                todo.append((other, frozenset(need.extras - extras) if other in found else frozenset(need.extras)))
    return found


def test_the_run_lock_has_what_running_needs_and_no_more() -> None:
    pins = locked("requirements.lock")
    assert pins.keys() == needed(declared(), set(pins)) - UNFROZEN
    assert {"ray", "faiss-cpu", "mypy", "pytest", "ruff", "submitit", "tensorboard"}.isdisjoint(pins)
    assert pins["torch"] == "2.13.0"  # of which a small build for processors is known here


def test_the_developers_lock_adds_what_developing_needs() -> None:
    text = (ROOT / "requirements-dev.lock").read_text()
    assert "\n-r requirements.lock\n" in text
    run, more = locked("requirements.lock"), locked("requirements-dev.lock")
    assert run.keys().isdisjoint(more)  # so the versions cannot differ
    wanted = declared("dev", "bench", "mlflow", "slurm", "ray", "tensorboard") - UNFROZEN
    assert wanted - run.keys() - more.keys() == set()
    assert more.keys() <= needed(declared("dev"), {*run, *more}) - run.keys()


def test_the_version_stands_in_one_place() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.dev\d+|rc\d+)?", stilts_xtreme.__version__)
    assert "version" in PROJECT["project"]["dynamic"]
    assert PROJECT["tool"]["hatch"]["version"]["path"] == "stilts_xtreme/__init__.py"
    found = [
        str(path.relative_to(ROOT))
        for folder in ("stilts_xtreme", "hydra_plugins", "conf", "benchmarks")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".py", ".yaml", ".toml") and stilts_xtreme.__version__ in path.read_text(encoding="utf-8")
    ]
    assert found == ["stilts_xtreme/__init__.py"]


def test_the_citation_is_of_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == stilts_xtreme.__version__
    assert citation["license"] == PROJECT["project"]["license"]
    assert {"message", "title", "type", "authors", "references"} <= citation.keys()
    for work in (citation, *citation["references"]):
        assert work["title"]
        assert all({"family-names", "given-names"} <= author.keys() or "name" in author for author in work["authors"])
        assert work["type"] in ("software", "conference-paper", "article", "generic")
    assert any(
        work.get("year") == 2020 and work["authors"][0]["family-names"] == "Phang" for work in citation["references"]
    )


def test_the_changelog_has_a_section_for_what_comes_and_for_each_release() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    headings = re.findall(r"^## \[(.+?)\](?: - (\S+))?$", text, re.M)
    assert headings[0] == ("Unreleased", "")
    assert all(
        re.fullmatch(r"\d+\.\d+\.\d+", name) and re.fullmatch(r"\d{4}-\d\d-\d\d", day) for name, day in headings[1:]
    )
    kinds = set(re.findall(r"^### (.+)$", text, re.M))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_every_marker_is_used() -> None:
    markers = {line.partition(":")[0] for line in PROJECT["tool"]["pytest"]["ini_options"]["markers"]}
    text = "".join(path.read_text() for path in (ROOT / "tests").rglob("*.py"))
    assert markers == {name for name in markers if f"mark.{name}" in text}

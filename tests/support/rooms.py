"""The rules of the house, as functions over the source of a package: who imports whom, how long, and how many."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

# From the bottom to the top. A module imports from its own room and from those before it, never from one after it.
ROOMS = ("core", "models", "tasks", "data", "report", "training", "cell", "sweep", "commands")
ENTRIES = 12
LINES = 320
# Names that say the same thing wherever they stand: a package's face, the parts of a task format, and a format's name.
TELLING = {
    *("__init__", "module", "rows", "files", "floors"),
    *("ranking", "question_answering", "multiple_choice", "tagging", "classification"),
}


def modules(package: Path) -> dict[str, Path]:
    """Every module of a package by its full name; a folder's ``__init__`` has the name of the folder."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = (package.name, *path.relative_to(package).with_suffix("").parts)
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(package: Path) -> dict[str, set[str]]:
    """For every module those of the same package that it imports.

    An import inside a function counts, and one under ``TYPE_CHECKING`` too: both say that a module knows the other.
    So does ``import_module`` of a name that is written out.
    """
    known = modules(package)
    graph = {}
    for name, path in known.items():
        inside = name if path.name == "__init__.py" else name.rpartition(".")[0]
        found: set[str] = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            found.update(_named(node, inside, known))
        graph[name] = {other for other in found if other.partition(".")[0] == package.name} - {name}
    return graph


def _named(node: ast.AST, inside: str, known: Mapping[str, Path]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            above = inside.split(".")[: len(inside.split(".")) - node.level + 1]
            base = ".".join([*above, *([base] if base else [])])
        for alias in node.names:
            if alias.name == "__version__":  # a constant at the top, which needs nothing of what stands there
                continue
            yield f"{base}.{alias.name}" if f"{base}.{alias.name}" in known else base
    elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
        yield from (value.value for value in node.args[:1] if isinstance(value, ast.Constant))


def upward(package: Path) -> list[str]:
    """Imports of a room that stands above, and rooms whose place is not known."""
    found = []
    for name, others in imports(package).items():
        for other in sorted(others):
            here, there = _floor(name), _floor(other)
            if here is None or there is None:
                found.append(f"{name} -> {other}: {name if here is None else other} stands in no room of {ROOMS}")
            elif there > here:
                found.append(f"{name} -> {other}: imports only go down")
    return found


def _floor(name: str) -> int | None:
    """The place of a module's room in the order; the package itself and its ``__main__`` stand at the top."""
    room = (*name.split("."), "")[1]
    return ROOMS.index(room) if room in ROOMS else len(ROOMS) if room in ("", "__main__") else None


def circles(package: Path) -> list[list[str]]:
    """Sets of modules that import one another, by Tarjan's strongly connected components."""
    graph = imports(package)
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found = []

    def visit(name: str) -> None:
        order[name] = low[name] = len(order)
        stack.append(name)
        for other in sorted(graph[name] & graph.keys()):
            if other not in order:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], order[other])
        if low[name] == order[name]:
            members = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            if len(members) > 1:
                found.append(sorted(members))

    for name in graph:
        if name not in order:
            visit(name)
    return found


def entries(package: Path) -> list[str]:
    """What stands at the top of a package."""
    return sorted(path.name for path in package.iterdir() if path.name != "__pycache__" and path.name[0] != ".")


def too_long(package: Path) -> list[str]:
    """Modules with more lines than one reads at a sitting."""
    counted = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in modules(package).items()}
    return [f"{name} has {lines} lines" for name, lines in counted.items() if lines > LINES]


def same_names(package: Path) -> list[str]:
    """Base names that three files or more have, unless the name is one of those that tell."""
    places = defaultdict(list)
    for path in modules(package).values():
        places[path.stem].append(str(path.relative_to(package)))
    return [f"{name}: {paths}" for name, paths in places.items() if len(paths) > 2 and name not in TELLING]

"""Checks the pages: links and anchors, commands against the program's own options, names of modules and files.

    python docs/check.py

Every page that git would show is read: README.md, CONTRIBUTING.md, CHANGELOG.md, docs/**/*.md and the other README.md.
A command on a page is parsed by the program itself, and nothing is run: a cell or a sweep is composed by Hydra and
checked, and any other command is stopped when its own parser has accepted the line. A word in capitals (FOLDER, CELL)
stands for what a user puts there. A command that is cut short with "..." is left out. Addresses in the web are not
asked.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import importlib
import importlib.util
import io
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

FENCE = re.compile(r"^( *)(`{3,})(\w*)[^\n]*\n(.*?)^\1\2 *$", re.M | re.S)
PLACE = re.compile(r"\b[A-Z]{2,}\b")
PROGRAM = r"(?:\S*python3? -m (?:stilts_xtreme|benchmarks)\b|stilts-xtreme |make )"
COMMAND = re.compile(rf"(?:\$ )?(?:time )?(?:[A-Z_]+=\S+ )*{PROGRAM}")
FOLDERS = "stilts_xtreme|conf|tests|docs|benchmarks|hydra_plugins|notebooks"
SAMPLE = 12
"""Jobs of a sweep that are composed: its first, its last and some between."""


def pages(root: Path) -> list[Path]:
    """The pages of the project, those that users read first."""
    first = [root / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
    more = [path for folder in (root / "docs", root / "benchmarks", root / "outputs") for path in folder.glob("*.md")]
    return [path for path in (*first, *sorted(more)) if path.exists()]


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    found: list[str] = []
    for heading in re.findall(r"^#{1,6} +(.+?) *#*$", FENCE.sub("", text), re.M):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").replace("*", "")
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        same = sum(re.fullmatch(rf"{re.escape(slug)}(-\d+)?", other) is not None for other in found)
        found.append(f"{slug}-{same}" if same else slug)
    return {*found, *re.findall(r'<a (?:name|id)="([^"]+)"', text)}


def links(page: Path) -> Iterator[str]:
    """Links of a page that lead nowhere."""
    text = page.read_text(encoding="utf-8")
    plain = re.sub(r"`[^`\n]*`", "", FENCE.sub("", text))
    targets = re.findall(r"\]\(\s*<?([^)\s>]+)", plain) + re.findall(r'(?:src|href)="([^"]+)"', plain)
    for target in targets:
        if re.match(r"[a-z]+:", target):
            continue
        place, _, anchor = target.partition("#")
        file = page if not place else page.parent / place
        if not file.exists():
            yield f"the link {target} leads to no file"
        elif anchor and file.suffix == ".md" and anchor not in anchors(file.read_text(encoding="utf-8")):
            yield f"the link {target} leads to no heading"


def commands(text: str) -> list[str]:
    """The commands of a page: lines of its code blocks, and those in the midst of a sentence."""
    found = []
    for _, _, language, body in FENCE.findall(text):
        if language in ("", "bash", "sh", "console", "shell"):
            found += [line.strip() for line in re.sub(r"\s*\\\n\s*", " ", body).splitlines()]
    spans = re.findall(r"`([^`]+)`", re.sub(r"\n\s*\n", "``\n", FENCE.sub("\n\n", text)))
    found += [" ".join(span.split()) for span in spans]
    return [line for line in found if COMMAND.match(line) and "..." not in line and "…" not in line]


def written(text: str) -> set[str]:
    """The files that a page tells its reader to write: a path, a colon, and a block of code with what it holds."""
    return set(re.findall(r"`([\w./-]+\.\w+)`:\s*\n *```", text))


def _known(line: str, own: set[str], root: Path) -> str:
    """A command with an existing choice in the place of each that the page has told its reader to write.

    The reader's own folders are not there: ``--config-dir`` is left out, and other options name any folder.
    """
    line = re.sub(r"--config-dir[= ]FOLDER(?=\s|$) *", "", line)
    for path in map(Path, own):
        for folder in map(re.escape, map(str, [path.parent, *path.parent.parents][:-1])):
            line = re.sub(rf"--config-dir[= ]{folder}(?=\s|$) *", "", line)
            line = re.sub(rf"(=){folder}(?=\s|$)", r"\g<1>FOLDER", line)
        others = sorted((root / "conf" / path.parent.name).glob("*.yaml"))
        if others:
            line = re.sub(rf"\b({path.parent.name}=){path.stem}\b", rf"\g<1>{others[-1].stem}", line)
    return line


def fault_of(line: str, targets: set[str]) -> str | None:
    """Why a command is not one; None where it is."""
    try:
        words = shlex.split(line, comments=True)
    except ValueError as error:
        return str(error)
    while words[0] in ("$", "time") or re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words = words[1:]
    words = words[: next((at for at, word in enumerate(words) if word in ("|", ">", "&&", "2>&1")), len(words))]
    if words[0] == "make":
        named = [word for word in words[1:] if "=" not in word]
        wrong = [word for word in named if word not in targets]
        return f"make has no target {wrong[0]}" if wrong else None
    module, *rest = ["stilts_xtreme", *words[1:]] if words[0] == "stilts-xtreme" else words[2:]
    if not rest or {"-h", "--help"} & set(rest):
        return None if module_exists(module) else f"there is no module {module}"
    try:
        (_cell if module == "stilts_xtreme" else _parsed)(module, rest)
    except (Exception, SystemExit) as error:
        from stilts_xtreme.core.compose import sentence

        known = sentence(error) if isinstance(error, Exception) else None
        return str(known or f"{type(error).__name__}: {error}")
    return None


def _cell(_: str, words: Sequence[str]) -> None:
    """The Hydra application's own line."""
    from hydra._internal.utils import get_args_parser

    parsed = get_args_parser().parse_args(list(words))
    _composed(parsed.overrides, parsed.multirun)


def _parsed(module: str, words: Sequence[str]) -> None:
    """A command with a parser of its own; the options of a run among its words are composed too."""
    found = importlib.import_module(module)
    if hasattr(found, "__path__") and importlib.util.find_spec(f"{module}.__main__"):  # a package that is run
        found = importlib.import_module(f"{module}.__main__")
    if not hasattr(found, "parser"):
        _stopped(module, words)
        return
    read = found.parser().parse(list(words))
    if module.endswith(".store") and read.command not in found.COMMANDS:
        raise ValueError(f"store has no command {read.command}, but {', '.join(found.COMMANDS)}")
    options = list(getattr(read, "options", ()))
    if module.endswith(".pretrain"):
        options = ["+target=tatoeba", "++model.shipped=null", *options]
    if module.endswith(".simulate"):
        options = [*(found.XTREME_R if read.xtreme_r else ()), *options]
    if options:
        _composed(options, getattr(read, "multirun", module.endswith(".simulate")))


def _composed(options: Sequence[str], multirun: bool) -> None:
    """Composes a cell, or some cells of a sweep, and checks each as the program does before it runs it."""
    from stilts_xtreme.cell.config import make_cell
    from stilts_xtreme.cell.config.machine import elsewhere
    from stilts_xtreme.core import compose
    from stilts_xtreme.core.errors import StiltsError
    from stilts_xtreme.sweep.planning import jobs_of

    prepared = compose.prepare(options, multirun)

    def sample() -> list[Any]:
        jobs, composer = jobs_of(prepared)
        return [composer.plain(jobs[at]) for at in range(0, len(jobs), max(1, len(jobs) // SAMPLE))]

    found = compose.with_hydra(sample) if multirun else [compose.compose(prepared)]
    if any(PLACE.search(option.partition("=")[2]) for option in options):
        return  # what a place in capitals holds, nobody knows
    refused = []
    for config in found:
        try:
            with elsewhere(True):
                make_cell(config)
        except StiltsError as error:
            refused.append(error)
    if len(refused) == len(found):  # some cells of a sweep may be refused; the others run
        raise refused[0]


class _Parsed(BaseException):
    """The parser has accepted the line."""


def _stopped(module: str, words: Sequence[str]) -> None:
    """A command with a parser of argparse: it runs until the parser has accepted its line."""
    depth = 0

    def watched(original: Callable[..., Any]) -> Callable[..., Any]:
        def parse(*arguments: Any, **named: Any) -> Any:
            nonlocal depth
            depth += 1
            found = original(*arguments, **named)
            depth -= 1
            if depth:  # argparse calls itself
                return found
            if isinstance(found, tuple) and found[1]:
                raise ValueError(f"{found[1][0]} is not an option of {module}")
            raise _Parsed

        return parse

    parser = argparse.ArgumentParser
    ways = ("parse_args", "parse_known_args", "parse_intermixed_args", "parse_known_intermixed_args")
    with (
        mock.patch.multiple(parser, **{name: watched(getattr(parser, name)) for name in ways}),
        mock.patch.object(sys, "argv", [module, *words]),
        contextlib.redirect_stderr(io.StringIO()) as said,
    ):
        try:
            importlib.import_module(module).main()
        except _Parsed:
            return
        except SystemExit:
            raise ValueError(said.getvalue().strip().splitlines()[-1]) from None
    raise ValueError(said.getvalue().strip() or f"{module} has not parsed its line")


def module_exists(name: str) -> bool:
    """Whether there is such a module, or such a name at the top of one."""
    import stilts_xtreme

    root = Path(stilts_xtreme.__file__).parent
    parts = name.split(".")
    for size in range(len(parts), 0, -1):
        inner, rest = parts[1:size], parts[size:]
        for base in (root.parent / parts[0], root / "commands"):
            path = base.joinpath(*inner)
            file = path.with_suffix(".py") if path.with_suffix(".py").exists() else path / "__init__.py"
            if not file.exists() or (not inner and base != root.parent / parts[0]):
                continue
            if not rest:
                return True
            tree = ast.parse(file.read_text(encoding="utf-8"))
            named = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
            named |= {str(node.value) for node in ast.walk(tree) if isinstance(node, ast.Constant)}
            named |= {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
            return rest[0] in named
    return False


def names(text: str, root: Path) -> Iterator[str]:
    """Modules and files that a page names and that are not there; Python code that is none."""
    spans = re.findall(r"`([^`\n]+)`", FENCE.sub("", text))
    for span in spans:
        if re.fullmatch(r"stilts_xtreme(\.\w+)+(\(\))?", span) and not module_exists(span.removesuffix("()")):
            yield f"there is no module or name {span}"
        path = root / span
        if re.fullmatch(rf"(?:{FOLDERS})/[\w./-]+", span) and not path.exists() and span not in written(text):
            yield f"there is no file {span}"
    for _, _, language, body in FENCE.findall(text):
        if language == "python":
            try:
                tree = ast.parse(body)
            except SyntaxError as error:
                yield f"Python code does not parse: {error}"
                continue
            for node in ast.walk(tree):
                if isinstance(node, ast.ImportFrom) and str(node.module).startswith("stilts_xtreme"):
                    wrong = [a.name for a in node.names if not module_exists(f"{node.module}.{a.name}")]
                    yield from (f"{node.module} has no {name}" for name in wrong)


def faults(root: Path) -> list[str]:
    """Everything that is wrong on the pages of a project."""
    targets = set(re.findall(r"^([a-z][\w-]*):", (root / "Makefile").read_text(encoding="utf-8"), re.M))
    found = []
    for page in pages(root):
        text = page.read_text(encoding="utf-8")
        said = [*links(page), *(names(text, root) if page.name != "CHANGELOG.md" else ())]  # which has old names too
        lines = [(line, fault_of(_known(line, written(text), root), targets)) for line in commands(text)]
        said += [f"{line}\n    {fault}" for line, fault in lines if fault]
        found += [f"{page.relative_to(root)}: {fault}" for fault in said]
    return found


def main() -> int:
    """Prints what is wrong; the exit code says whether anything is."""
    root = Path(__file__).resolve().parents[1]
    os.chdir(root)
    found = faults(root)
    print(*found, sep="\n", file=sys.stderr)
    number = sum(len(commands(page.read_text(encoding="utf-8"))) for page in pages(root))
    print(f"{len(pages(root))} pages with {number} commands: {len(found) or 'no'} faults")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

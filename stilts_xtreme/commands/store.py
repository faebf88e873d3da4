"""Looks after the stages of an output folder.

ls                       every stage: kind, what it is, size, when and where it was made, how many cells need it
verify                   compares every file of every stage with its digest; exit code 1 if one differs
gc [--dry-run] [--yes]   removes what no cell and no sweep needs: stages, and the scratch of stages nobody is making;
                         a cell is a folder in FOLDER/cells, a sweep one in FOLDER/sweeps: remove those you are done
                         with, then collect; it asks first
thin [--dry-run] [--yes] removes the weights of trainings on a target that have been evaluated: records, curves and
                         scores stay, and a training that is needed again is made again; it asks first
export FILE [CELL ...]   writes cells, by name or folder (all, if none is given), with their stages into one tar file
import FILE              adds the stages and cells of such a file; what is there is kept, what is damaged is refused
"""

from __future__ import annotations

import shutil
import sys
from argparse import Namespace
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from stilts_xtreme.cell.manifests import is_newer
from stilts_xtreme.cell.store import Store
from stilts_xtreme.cell.thinning import spent, thin, weights
from stilts_xtreme.commands.archive import IMPORTING, export, import_
from stilts_xtreme.commands.stage_list import show
from stilts_xtreme.core.command import Parser, command
from stilts_xtreme.core.errors import StiltsError, unknown
from stilts_xtreme.core.paths import home, unquoted
from stilts_xtreme.core.progress import phase
from stilts_xtreme.core.terminal import Plain
from stilts_xtreme.core.text import visible
from stilts_xtreme.sweep.needs import awaited, needed

COMMANDS = ("ls", "verify", "gc", "thin", "export", "import")
ASKING = ("gc", "thin")
"""Those that remove something."""

FLAGS = {
    "--dry-run": "gc, thin: say what would be removed; default: remove it",
    "--yes": "gc, thin: remove without a question; default: ask first",
}


def keys(store: Store) -> list[str]:
    """The keys of all finished stages, the oldest first."""
    found = [path for path in (store.root / "stages").glob("[!.]*") if path.is_dir()]
    return [path.name for path in sorted(found, key=lambda path: (path.stat().st_mtime, path.name))]


def key_of(folder: Path) -> str:
    """The key of the stage that a folder belongs to; a checkpoint that waits beside its scratch has it before a dot."""
    return folder.name.partition(".")[0] or folder.name


def size(folder: Path) -> int:
    """Bytes below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def verify(store: Store, console: Plain) -> int:
    """Checks every digest; returns the number of damaged stages."""
    found = {}
    with phase("verifying", len(keys(store)), True) as bar:
        for key in keys(store):
            try:
                found[key] = store.damage(key)
            except StiltsError as error:  # of a newer version
                found[key] = str(error)
            bar.advance()
    damaged = {key: what for key, what in found.items() if what}
    for key, what in damaged.items():
        console.line_of(f"{key}: {what}")
    console.line_of(f"{len(found)} stages, {len(damaged)} damaged")
    return len(damaged)


def collect(store: Store, console: Plain, dry: bool, yes: bool) -> None:
    """Removes the stages and scratch folders that nothing needs."""
    users = _users(store)
    going = [store.path(key) for key in keys(store) if not users[key]]
    going += [path for path in sorted((store.root / "scratch").glob("*")) if not users[key_of(path)]]
    going += sorted(store.root.glob(f"{IMPORTING}*"))  # of an import that was killed
    going += sorted((store.root / "stages").glob(".*.gone"))  # of a removal that was killed
    amount = sum(size(path) for path in going) / 1e6
    for path in going:
        console.line_of(f"{path}  {size(path) / 1e6:.1f} MB")
    console.line_of(f"{len(going)} folders, {amount:.1f} MB, that no cell and no sweep needs")
    if dry or not going or not _agreed("gc", yes):
        return
    refuse_while_running(store)
    users = _users(store)  # a cell may have ended while the question stood
    removed = 0
    for path in going:
        if not users[key_of(path)]:
            if not path.name.startswith("."):  # nobody takes a half-removed stage for a whole one
                path = path.rename(path.with_name(f".{path.name}.gone"))
            shutil.rmtree(path)
            removed += 1
    console.line_of(f"{removed} folders removed")


def slim(store: Store, console: Plain, dry: bool, yes: bool) -> None:
    """Removes the weights of trainings on a target from which nothing is to be made any more."""
    going = _spent(store)
    amounts = {key: weights(store, key) for key in going}
    for key, amount in amounts.items():
        label = visible((store.manifest(key) or {}).get("label", ""))
        console.line_of(f"{store.path(key)}  {label}  {amount / 1e6:.1f} MB")
    console.line_of(
        f"{len(going)} trainings on a target whose weights nothing needs, {sum(amounts.values()) / 1e6:.1f} MB"
    )
    if dry or not going or not _agreed("thin", yes):
        return
    refuse_while_running(store)
    going = sorted(set(going) & set(_spent(store)))  # a sweep may have begun while the question stood
    freed = sum(thin(store, key) for key in going)
    console.line_of(f"the weights of {len(going)} trainings removed, {freed / 1e6:.1f} MB")


def _spent(store: Store) -> list[str]:
    """The keys of stages whose weights nothing needs, nor anything that a sweep has still to make."""
    manifests = {key: manifest for key in keys(store) if (manifest := store.manifest(key)) and not is_newer(manifest)}
    return [key for key in spent(manifests, awaited(store)) if weights(store, key)]


def _agreed(command: str, yes: bool) -> bool:
    """Whether the user wants what was listed to be removed."""
    if yes:
        return True
    if not sys.stdin.isatty():
        raise StiltsError(f"store {command} asks before it removes anything; give --yes where nobody can answer.")
    return input("Remove them? [y/N] ").strip().lower() in ("y", "yes")


def _users(store: Store) -> Counter[str]:
    """Stage -> how many cells and sweeps need it.

    Raises:
        StiltsError: When a record cannot be read, which may need any of the stages.
    """
    found = needed(store)
    if found.unknown:
        more = f" ({len(found.unknown)} such records; store ls names them all)" if len(found.unknown) > 1 else ""
        raise StiltsError(
            f"Nothing is removed, as a record that cannot be read may need any stage: {found.unknown[0]}{more}"
        )
    return found.users


def refuse_while_running(store: Store) -> None:
    """Refuses while any process works in the output folder: the finished parents of what it makes are no cell's yet."""
    for path in sorted((store.root / "locks").glob("*.lock")):
        if store.held(path.stem):
            raise StiltsError(
                f"A command is running in {store.root} (it holds {path.name}); collect when it has ended."
            )


def parser() -> Parser:
    """The options of the command."""
    parser = Parser(
        "store", str(__doc__), ["gc --dry-run output=outputs", "export cells.tar outputs/cells/xlmr_large-*"]
    )
    parser.add_argument("command", metavar="COMMAND", help=f"one of: {', '.join(COMMANDS)}")
    words = "FILE and CELLs of export and import; output=FOLDER, default: output=outputs"
    parser.add_argument("words", nargs="*", metavar="WORD", help=words)
    for flag, what in FLAGS.items():
        parser.add_argument(flag, action="store_true", help=what)
    return parser


def _work(options: Namespace) -> int:
    command, output, names = options.command, "outputs", []
    if command not in COMMANDS:
        raise unknown("COMMAND", command, COMMANDS)
    for word in options.words:
        if word.startswith("output="):
            output = str(home(unquoted(word.removeprefix("output="))))
        else:
            names.append(str(home(word)))
    if command not in ASKING and (options.dry_run or options.yes):
        raise StiltsError(f"{', '.join(FLAGS)} are options of store gc and store thin, not of {command}.")
    if names and command not in ("export", "import"):
        raise StiltsError(f"store {command} takes no {names[0]}; it looks at the whole of output=FOLDER.")
    if command in ("export", "import") and not names:
        raise StiltsError(f"store {command} needs a FILE.")
    if command != "import" and not Path(output).is_dir():
        raise StiltsError(f"output={output} is not a folder.")
    store, console = Store(output), Plain()
    if command == "ls":
        show(store, needed(store), {key: size(store.path(key)) for key in keys(store)}, console)
    elif command == "verify":
        return 1 if verify(store, console) else 0
    elif command == "gc":
        collect(store, console, options.dry_run, options.yes)
    elif command == "thin":
        slim(store, console, options.dry_run, options.yes)
    elif command == "export":
        export(store, Path(names[0]), names[1:], console)
    else:
        import_(store, Path(names[0]), console)
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line of ``python -m stilts_xtreme.store``."""
    return command(arguments, parser(), _work)


if __name__ == "__main__":
    sys.exit(main())

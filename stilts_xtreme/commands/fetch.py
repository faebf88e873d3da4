"""Brings what a command or a study needs into a folder, ahead of time, for machines without network.

It brings the files of the data sets, of only the configurations, splits and languages that are needed, and the encoder
with its tokenizer where model= comes from the hub. The folder, data.root=FOLDER, is laid out like the hub; the same
options with data.root=FOLDER (and data=hub) then run without network. What is there is verified against the hub's
digests, what is missing is brought; a command that was interrupted goes on where it ended. The commit of each
repository is written down beside its files (fetched.yaml), and stays: to have newer files, take another folder. Rows
that nobody may hand on (CCGbank) or that are not on the hub are named, with where to get them. The token of
'hf auth login' or HF_TOKEN is used where there is one.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stilts_xtreme.cell.config import make_cell
from stilts_xtreme.cell.requirements import Needs
from stilts_xtreme.core import compose
from stilts_xtreme.core.command import Parser, command
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.files import shared
from stilts_xtreme.core.paths import home, unquoted
from stilts_xtreme.core.specs import Cell
from stilts_xtreme.core.terminal import ERRORS, Plain, out, say, table
from stilts_xtreme.core.text import visible
from stilts_xtreme.data.hub import mirror
from stilts_xtreme.data.hub.listing import list_files
from stilts_xtreme.data.hub.mirror import File, Listing, Mirror


def cells_of(options: Sequence[str], many: bool) -> Iterator[Cell | StiltsError]:
    """The cells of a command line, all of whose rows come from the hub; for a job that is none, why.

    The machine is left out: a node without GPU fetches for one that has some.
    """
    kept = [option for option in options if not re.match(r"\+*(trainer|data)[=.]|\+*data\.root=", option)]
    kept += ["data=hub", "data.root=null", "trainer=cpu"]
    kept += [option for option in options if re.match(r"\+*data\.(?!root=)", option)]
    prepared = compose.prepare(kept, many)
    if not many:
        yield make_cell(compose.compose(prepared))
        return
    from stilts_xtreme.sweep.composer import jobs_of
    from stilts_xtreme.sweep.narrowing import narrowed
    from stilts_xtreme.sweep.planning import attempted

    def jobs() -> Iterator[Cell | StiltsError]:
        batch, composer = jobs_of(prepared)
        composed = [attempted(composer.plain, overrides) for overrides in batch]
        configs, said = narrowed([found for found in composed if not isinstance(found, StiltsError)])
        for sentence in said:
            say(sentence)
        for found in composed:
            yield found if isinstance(found, StiltsError) else attempted(make_cell, configs.pop(0))

    yield from compose.with_hydra(lambda: list(jobs()))


def _root_of(options: Sequence[str]) -> Path:
    given = [match[1] for option in options if (match := re.fullmatch(r"\+*data\.root=(.+)", option, re.DOTALL))]
    if not given and not os.environ.get("STILTS_DATA_ROOT"):
        raise StiltsError("Where to? Give data.root=FOLDER; --help shows how.")
    if any(re.fullmatch(r"\+*data=(?!hub$).*", option) for option in options):
        raise StiltsError("Only data=hub is fetched; the synthetic data are made where they are used.")
    root = home(unquoted(given[-1]) if given else os.environ["STILTS_DATA_ROOT"])
    if root.exists() and not root.is_dir():
        raise StiltsError(f"data.root={root} is a file; a folder is needed.")
    return root


def parser() -> Parser:
    """The options of the command."""
    parser = Parser(
        "fetch",
        str(__doc__),
        [
            "+intermediate=mnli +target=xnli model=xlmr_base data.root=FOLDER",
            "-m +study=phang2020 model=xlmr_large data.root=FOLDER --dry-run",
        ],
    )
    many = "bring what all cells of a sweep need; default: the options are one cell"
    parser.add_argument("-m", "--multirun", action="store_true", help=many)
    dry = "list repositories, files and sizes, and bring nothing but the README of each; default: bring the files"
    parser.add_argument("--dry-run", action="store_true", help=dry)
    parser.takes_a_run("the options of a run, and where to: data.root=FOLDER, or STILTS_DATA_ROOT in the environment")
    return parser


def _work(asked: Namespace) -> None:
    options = asked.options
    root = _root_of(options)
    needs, refused = Needs(), {}
    for cell in cells_of(options, asked.multirun):
        try:
            if isinstance(cell, StiltsError):
                raise cell
            needs.add(cell, root)
        except StiltsError as error:
            refused[str(error)] = error
    if refused and not needs.repos and not needs.local:
        raise next(iter(refused.values()))
    listings = []
    for repo, parts in sorted(needs.repos.items(), key=lambda item: (item[0].model, item[0].id)):
        say(f"asking for {repo.id}")
        listings.append(list_files(repo, sorted(parts, key=str), root))
    if asked.dry_run:
        _show(listings, root)
    elif listings:
        with _disk(root):
            _bring(listings, root)
    for sentence, languages in needs.local.items():
        say(f"cannot be fetched ({', '.join(languages)}): {sentence}")
    for sentence in refused:
        say(f"no cell: {sentence}")
    if not asked.dry_run:
        say(f"{root} is ready{' but for what is named above' if needs.local else ''}: give data.root={root}")


def _show(listings: Sequence[Listing], root: Path) -> None:
    from rich.filesize import decimal

    titles = ("repository", "commit", "files", "size", "there")
    drawn = table(*titles, right=titles[2:], title=visible(f"what {root} will hold"))
    total = here = 0
    for listing in listings:
        files = {file.path: file for file in (*listing.files, *(queue[0] for queue, _ in listing.queues))}
        size = sum(file.size for file in files.values())
        folder = listing.repo.folder(root)
        there = sum(file.size for file in files.values() if file.is_at(folder / file.path))
        least = "at least " if listing.queues else ""
        name = f"{listing.repo.id}{' (encoder)' if listing.repo.model else ''}"
        drawn.add_row(name, listing.commit[:12], str(len(files)), least + decimal(size), decimal(there))
        total, here = total + size, here + there
    drawn.add_section()
    drawn.add_row("all", "", "", decimal(total), decimal(here), style="bold")
    Plain().print(drawn)
    for listing in listings:
        for file in (*listing.files, *(file for queue, _ in listing.queues for file in queue[:1])):
            out(f"{file.size:>14,}  {listing.repo.id}/{file.path}")


def _bring(listings: Sequence[Listing], root: Path) -> None:
    """Brings what is missing, one process at a time, with a bar for all of it and one for the file in hand."""
    from filelock import FileLock, Timeout
    from rich.filesize import decimal
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    made = {"brought": 0, "bytes": 0, "verified": 0}
    text = TextColumn("  {task.description}", markup=False)
    columns = (text, BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    root.mkdir(parents=True, exist_ok=True)
    lock = FileLock(root / ".fetch.lock", mode=shared())
    try:
        lock.acquire(timeout=0)
    except Timeout:
        say(f"another fetch works on {root}; waiting for it")
        lock.acquire()
    try:
        with Progress(*columns, console=ERRORS, transient=True, disable=not ERRORS.is_live) as bars:
            whole = bars.add_task("all", total=sum(size for _, size in mirror.summed(listings).values()))
            done = 0

            def on_file(file: File, new: bool) -> None:
                nonlocal done
                done += file.size
                bars.update(whole, completed=done)
                made["brought" if new else "verified"] += 1
                made["bytes"] += file.size if new else 0
                if new and not ERRORS.is_live:
                    say(f"  {file.path}: {decimal(file.size)}")

            mirrored = Mirror(root, on_file, _reporting(bars, whole))
            for listing in listings:
                mirrored.claim(listing)  # before anything is brought: a file of the user's own is refused at once
            _refuse_full(listings, root)
            for listing in listings:
                mirrored.bring(listing)
        shutil.rmtree(root / mirror.SCRATCH, ignore_errors=True)
    finally:
        lock.release()
    say(f"{made['brought']} files brought ({decimal(made['bytes'])}), {made['verified']} verified that were there")


def _reporting(bars: Any, whole: Any) -> type:
    """The class by which the hub's client reports how a file comes along, here on bars of our own."""
    from tqdm import tqdm

    single = bars.add_task("", total=None, visible=False)

    class Bar(tqdm):
        def __init__(self, *args: Any, **kwargs: Any):
            super().__init__(*args, **{**kwargs, "disable": True})
            name = str(kwargs.get("desc") or "")
            # content that comes in pieces is reported twice: as it arrives, and as it is put together
            self.counted = "downloading bytes" not in name
            if self.counted:
                name = name.removesuffix(": reconstructing file")
                bars.update(single, description=visible(name), total=kwargs.get("total"), completed=0, visible=True)

        def update(self, n: float | None = 1) -> None:
            if self.counted:
                bars.advance(single, n or 0)
                bars.advance(whole, n or 0)

    return Bar


def _refuse_full(listings: Sequence[Listing], root: Path) -> None:
    from rich.filesize import decimal

    places = {listing.repo.folder(root) / file.path: file.size for listing in listings for file in listing.files}
    missing = sum(size for place, size in places.items() if not place.exists())
    free = shutil.disk_usage(root).free
    if missing > free:
        raise StiltsError(f"{decimal(missing)} are to be brought, and the disk of {root} has {decimal(free)} free.")


@contextmanager
def _disk(root: Path) -> Iterator[None]:
    """Turns what the disk refuses into one sentence."""
    try:
        yield
    except OSError as error:
        raise StiltsError(
            f"data.root={root} cannot be written ({error.strerror or error}); what was brought stays, and the same "
            "command goes on."
        ) from error


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetches from the command line."""
    try:
        return command(arguments, parser(), _work)
    except KeyboardInterrupt:
        print("interrupted: the same command goes on with the files that are missing", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())

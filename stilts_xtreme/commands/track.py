"""Brings the runs of an output folder to W&B, and makes the pages there that show them.

upload [OUTPUT]      sends what W&B does not have: the runs of stages, cells and matrices that were made without
                     logger=wandb, stayed offline, or were lost; when it is stopped and given again, nothing comes twice
workspace [OUTPUT]   makes the saved view of the project, and the draft of a report: the matrix, the gains, the
                     languages and the curves; given again, it makes the same two anew;
                     it needs pip install 'stilts-xtreme[wandb]'

Everything is read from the files of OUTPUT (default: outputs), and nothing is trained. It needs a login of W&B:
'wandb login', or the variable WANDB_API_KEY. The project, the entity and the group of a run are those of its cell,
as its config.json says.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from stilts_xtreme.cell import local_runs, wandb_pages, wandb_settings, wandb_upload
from stilts_xtreme.cell.store import Store
from stilts_xtreme.core.command import Parser, command
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.progress import phase
from stilts_xtreme.core.terminal import out

COMMANDS = ("upload", "workspace")


def parser() -> Parser:
    """The options of the command."""
    parser = Parser(
        "track",
        str(__doc__),
        ["upload", "upload OUTPUT --project transfer --group first", "upload OUTPUT --dry-run", "workspace OUTPUT"],
    )
    parser.add_argument("action", choices=COMMANDS, metavar="COMMAND", help=", ".join(COMMANDS))
    parser.add_argument(
        "output", nargs="?", type=Path, default=Path("outputs"), metavar="OUTPUT", help="an output folder"
    )
    parser.add_argument("--project", metavar="NAME", help="the project of W&B; default: that of each cell")
    parser.add_argument("--entity", metavar="NAME", help="the user or team of W&B; default: that of each cell")
    parser.add_argument(
        "--group", metavar="NAME", help="upload: what the runs are grouped by; default: as each cell says"
    )
    parser.add_argument("--dry-run", action="store_true", help="upload: say what would be sent; default: send it")
    return parser


def upload(options: Namespace) -> None:
    """Sends what W&B does not have.

    Args:
        options: Those of the command.
    """
    given, found = _begun(options)
    with phase("asking W&B", len(found), True) as bar:
        missing = wandb_upload.lacking(found, given, bar.advance)
    if options.dry_run:
        for local in missing:
            out(f"{local.run.job_type}  {local.run.name}")
        out(f"{_counted(missing)} would be sent; {len(found) - len(missing)} are there.")
        return
    store = Store(options.output)
    with phase("sending to W&B", len(missing), True) as bar:
        for local in missing:
            wandb_upload.send(local, given, store)
            bar.advance()
    out(f"{_counted(missing)} sent; {len(found) - len(missing)} were there.")


def workspace(options: Namespace) -> None:
    """Makes the view and the draft of each project of the cells.

    Args:
        options: Those of the command.
    """
    for name in ("group", "dry_run"):
        if getattr(options, name):
            raise StiltsError(f"--{name.replace('_', '-')} is an option of track upload; workspace has none of it.")
    wandb_pages.check()
    given, found = _begun(options)
    places = dict.fromkeys(wandb_upload.place_of(wandb_upload.options_of(local, given)) for local in found)
    for project, entity in places:
        pages = wandb_pages.make(entity or wandb_upload.own_entity(), project, options.output)
        for name, address in pages.items():
            out(f"{name}: {address}")


def _begun(options: Namespace) -> tuple[dict[str, str | None], list[local_runs.LocalRun]]:
    """What the options name, and the runs of the output folder; somebody is logged in."""
    given = {name: getattr(options, name) for name in ("project", "entity", "group")}
    for name, value in given.items():
        if value is not None:
            wandb_settings.check_name(f"--{name}", value)
    found = local_runs.read(options.output)
    wandb_settings.check_settings({"mode": "offline"}, len(found))  # a login is asked for below
    wandb_upload.login()
    return given, found


def _counted(missing: Sequence[local_runs.LocalRun]) -> str:
    kinds = Counter(local.run.job_type for local in missing)
    each = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    return f"{len(missing)} run{'s' * (len(missing) > 1)} ({each})" if missing else "No run"


def main(arguments: Sequence[str] | None = None) -> int:
    """Brings runs to W&B."""

    def work(options: Namespace) -> None:
        if not options.output.is_dir():
            raise StiltsError(f"OUTPUT={options.output} is not a folder; name the one that output= named.")
        (upload if options.action == "upload" else workspace)(options)

    return command(arguments, parser(), work)


if __name__ == "__main__":
    sys.exit(main())

"""The list of finished stages, as wide as the terminal is; nothing of a key or a label is cut."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from rich.table import Table

from stilts_xtreme.cell.manifests import is_newer
from stilts_xtreme.cell.store import Store
from stilts_xtreme.core.manifest import removed
from stilts_xtreme.core.progress import duration
from stilts_xtreme.core.terminal import Plain
from stilts_xtreme.core.text import visible
from stilts_xtreme.sweep.needs import Needed

TABLE_COLUMNS, FULL_COLUMNS = 56, 110
"""A narrower terminal gets two lines for each stage instead of a table; a wider one, a file and a pipe all columns."""


def show(store: Store, needs: Needed, sizes: Mapping[str, int], console: Plain) -> None:
    """Prints the stages: key, what it is, size, age and users; where there is room, all that is known.

    Args:
        store: Where they are.
        needs: Who needs them.
        sizes: Stage -> its bytes, in the order to print.
        console: Where to.
    """
    users = needs.users
    full, narrow = console.width >= FULL_COLUMNS, console.width < TABLE_COLUMNS
    more = ("seconds", "made", "on") if full else ("age",)
    drawn = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in ("stage", "what", "MB", *more, "users"):
        numbers, wraps = title in ("MB", "seconds", "age", "users"), title in ("what", "on")
        drawn.add_column(title, overflow="fold", justify="right" if numbers else "left", no_wrap=not wraps)
    for key, bytes_ in sizes.items():
        manifest = store.manifest(key)
        newer = manifest is not None and is_newer(manifest)
        made = manifest["made"] if manifest and not newer else {}
        finished = str(made.get("finished", ""))
        what = visible(manifest.get("label", "") if manifest else "DAMAGED: no manifest")
        what = "of a newer version" if newer else what + " (weights removed)" * bool(removed(store.path(key)))
        amount = f"{bytes_ / 1e6:.1f}"
        if narrow:
            console.line_of(f"{key}  {amount} MB  {_age(finished)}")
            console.print(f"  {what}", overflow="fold")
            continue
        last = (f"{made.get('seconds', 0):.1f}", finished, visible(made.get("host", ""))) if full else (_age(finished),)
        drawn.add_row(visible(key), what, amount, *last, str(users[key]))
    if sizes and not narrow:
        console.print(drawn)
    idle = sum(not users[key] for key in sizes)
    amount = f"{len(sizes)} stages in {store.root}, {sum(sizes.values()) / 1e6:.1f} MB"
    console.line_of(f"{amount}; {idle} that no cell and no sweep needs")
    for sentence in needs.unknown:
        console.line_of(f"not counted: {sentence}")


def _age(finished: str) -> str:
    """How long ago a time was, as a manifest has it."""
    try:
        then = datetime.strptime(finished, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return ""
    seconds = (datetime.now(UTC) - then).total_seconds()
    return duration(seconds) if seconds < 48 * 3600 else f"{seconds / 86400:.0f} d"

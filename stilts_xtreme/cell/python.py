"""A cell from Python: what a command line plans and runs, without one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stilts_xtreme.core import compose, paths
from stilts_xtreme.core.checks import check
from stilts_xtreme.core.errors import StiltsError

if TYPE_CHECKING:
    from stilts_xtreme.cell.plan import CellPlan


def _composed(overrides: tuple[str | Mapping[str, Any], ...]) -> dict[str, Any]:
    """The configuration of a command line, given as its words or as options and their values."""
    words: list[str] = []
    for part in overrides:
        if isinstance(part, Mapping):
            # the name of an encoder is quoted where it is told from a folder (compose.prepare)
            words += [f"{name}={value if name == 'model' else _word(value)}" for name, value in part.items()]
        else:
            check(isinstance(part, str), "overrides", part, "give words such as '+target=xnli', or mappings of options")
            words.append(part)
    for word in words:
        if word.startswith("-"):
            raise StiltsError(f"{word} is an option of the command line; a sweep is run by python -m stilts_xtreme -m.")
    try:
        return compose.compose(compose.prepare(words))
    except Exception as error:
        known = compose.sentence(error)
        if known is None or known is error:
            raise
        raise known from error


def _word(value: Any) -> str:
    """A value as Hydra writes it on a command line."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list | tuple):
        return f"[{','.join(map(_word, value))}]"
    if isinstance(value, Mapping):
        return f"{{{','.join(f'{key}: {_word(inner)}' for key, inner in value.items())}}}"
    text = str(value)
    if re.fullmatch(r"[\w./-]*|\[.*\]|\{.*\}", text, re.DOTALL):  # plain, or a list or mapping as Hydra writes it
        return text
    return paths.quoted(text)


def run_cell(*overrides: str | Mapping[str, Any]) -> dict[str, Any]:
    """Runs one cell, as ``python -m stilts_xtreme`` does with the same words.

    Args:
        overrides: Words of a command line, or mappings from options to values.

    Returns:
        What ``result.json`` of the cell holds; ``rows`` are its scores, one for each language and metric.

    Example:
        ``run_cell("+intermediate=mnli", "+target=xnli", {"seed": 1})``

    Raises:
        StiltsError: One sentence on what is wrong; every finished stage stays.
    """
    from stilts_xtreme.cell.run import run

    return run(_composed(overrides))


def plan(*overrides: str | Mapping[str, Any]) -> CellPlan:
    """The stages that :func:`run_cell` would run, with their keys; it reads no rows and imports no torch.

    Args:
        overrides: As for :func:`run_cell`.

    Raises:
        StiltsError: One sentence on what is wrong.
    """
    from stilts_xtreme.cell.config import make_cell
    from stilts_xtreme.cell.plan import plan as plan_of

    return plan_of(make_cell(_composed(overrides)))

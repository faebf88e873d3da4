"""Errors that a user can act on: one sentence that names the option, the value and the choices."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

MOST = 60
"""Of so many choices all are listed; of more those that are nearest, a reader needs no more."""


class StiltsError(Exception):
    """A refusal that the command line prints as one sentence, without a traceback, with exit code 1."""


def near(value: object, names: Iterable[str]) -> str:
    """The name that a value was probably meant to be, in words; empty when none is close.

    Where a value is the last part of names with dots, as ``learning_rate`` is, the three nearest of them are told.
    """
    names = list(names)
    ending = {name for name in names if name.endswith(f".{value}")}
    found = difflib.get_close_matches(str(value), ending or names, n=3 if ending else 1, cutoff=0.0 if ending else 0.5)
    if not found:
        return ""
    *others, last = [f"'{name}'" for name in found]
    return f" (did you mean {', '.join(others)} or {last}?)" if others else f" (did you mean {last}?)"


def unknown(option: str, value: object, choices: Iterable[object], below: Iterable[object] = ()) -> StiltsError:
    """Builds the error for a value that is not among its choices.

    Args:
        option: The option as the user writes it, such as ``target``.
        value: What the user gave.
        choices: The values that are accepted.
        below: What else the nearest match may be, beside the choices, without being listed.

    Returns:
        An error whose text names the option, the value, the nearest match if one is close, and the choices.
    """
    names = sorted(str(choice) for choice in choices)
    hint = near(value, [*names, *map(str, below)])
    listed = ", ".join(names)
    if len(names) > MOST:
        shown = difflib.get_close_matches(str(value), names, n=5, cutoff=0.0)
        listed = f"{', '.join(shown)}, ... ({len(names)} in all)"
    return StiltsError(f"{option}={value} is not known{hint}; choose one of: {listed}.")

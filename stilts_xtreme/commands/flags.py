"""The flags of ``python -m stilts_xtreme``: what is answered here, what is refused in a sentence, what Hydra gets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from stilts_xtreme.core.errors import StiltsError, near

ALONE = {name: f"--{name.replace('_', '-')}" for name in ("run", "multirun", "cfg", "info", "shell_completion")}
"""Flags that say what is to be done, of which a command has one."""


def ordered(arguments: Sequence[str]) -> list[str]:
    """A command line with its flags first: Hydra takes options of a run in one place only, before or after all flags.

    Args:
        arguments: The command line without the program's name.
    """
    from hydra._internal.utils import get_args_parser

    valued = {flag: action.nargs for action in get_args_parser()._actions for flag in action.option_strings}
    flags: list[str] = []
    options: list[str] = []
    owed = False  # whether the flag before this argument may take it as its value
    for argument in arguments:
        if argument.startswith("-"):
            flags.append(argument)
            owed = argument in valued and valued[argument] != 0
        elif owed and (valued[flags[-1]] is None or "=" not in argument):
            flags.append(argument)
            owed = False
        else:
            options.append(argument)
            owed = False
    return [*flags, *options]


def answer(arguments: Sequence[str]) -> str | None:
    """The page that a command line asks for; None where Hydra has something to do.

    Args:
        arguments: The command line without the program's name.

    Raises:
        StiltsError: For a flag that there is not, or flags that do not go together.
    """
    if {"-h", "--help"} & set(arguments):
        from stilts_xtreme.commands.help_page import page

        return page(arguments)
    if not any(argument.startswith("-") for argument in arguments):
        return None
    if "--version" in arguments:
        import hydra

        from stilts_xtreme import __version__

        return f"stilts_xtreme {__version__} (Hydra {hydra.__version__})\n"
    _check(_parsed(arguments))
    return None


def _parsed(arguments: Sequence[str]) -> Any:
    from hydra._internal.utils import get_args_parser

    parser = get_args_parser()
    known = [flag for action in parser._actions for flag in action.option_strings]

    def refuse(message: str) -> NoReturn:
        wrong = [
            argument for argument in arguments if argument.startswith("-") and argument.partition("=")[0] not in known
        ]
        if wrong and "unrecognized" in message:
            raise StiltsError(f"{wrong[0]} is not a flag{near(wrong[0], known)}; choose one of: {', '.join(known)}.")
        raise StiltsError(f"{message.removeprefix('argument ')}; --hydra-help lists the flags.")

    parser.error = refuse  # type: ignore[method-assign]
    return parser.parse_args(list(arguments))


def _check(given: Any) -> None:
    asked = [flag for name, flag in ALONE.items() if getattr(given, name)]
    if len(asked) > 1:
        raise StiltsError(f"{' and '.join(asked)} do not go together; give one of them.")
    for flag, value in (("--resolve", given.resolve), ("--package", given.package)):
        if value and not given.cfg:
            raise StiltsError(f"{flag} is a part of --cfg, which prints the configuration; give --cfg job {flag}.")
    if given.experimental_rerun:
        raise StiltsError("--experimental-rerun is refused: it runs what a pickle holds; give the options again.")

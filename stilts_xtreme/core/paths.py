"""Paths on a command line: what the shell hands on is what they are, whatever characters they have.

Hydra has a grammar of its own for values, in which spaces, commas, ``=``, brackets and ``#`` mean something. A value of
an option that is known to be a path is quoted for it. Under a multirun a comma parts two values.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from stilts_xtreme.core.errors import StiltsError

OPTION = re.compile(
    r"(\+{0,2})(data\.root|output|model\.(?:path|root)|translation|translation\.source|mlm\.source|evaluation\.translate_test|dataset\.\w+\.files[.\w]*)=(.*)",
    re.DOTALL,
)
"""An option whose value is a path: its plus signs, its name and its value."""

_FUNCTION = re.compile(r"(choice|glob|range|interval|shuffle|sort|tag|str|int|float|bool|json_str)\(.*\)", re.DOTALL)


def home(path: str | Path) -> Path:
    """A path whose ``~`` or ``~user`` at the beginning is the folder of that user; any other as it is.

    Raises:
        StiltsError: No folder of that user is known, and nothing is there that is called so.
    """
    found = os.path.expanduser(path)
    if str(found).startswith("~") and not os.path.lexists(path):
        user = str(path).partition("/")[0][1:]
        whose = f"there is no user '{user}'" if user else "the folder of this user is not known"
        raise StiltsError(f"{path} is refused: {whose}; write ./{path} for a file or folder that is called so.")
    return Path(found)


def quoted(value: str) -> str:
    """A value in Hydra's quotes, whatever characters a path may have; what looks like a reference stays a text."""
    doubled = re.sub(r"(\\+)(?='|$)", r"\1\1", value)  # Hydra reads a backslash as one unless a quote follows
    return "'" + doubled.replace("'", "\\'").replace("${", "\\${") + "'"


def unquoted(value: str) -> str:
    """A value without Hydra's quotes, if it is one text in quotes; any other as it is."""
    match = re.fullmatch(r"(['\"])((?:(?!\1)[^\\]|\\.)*)\1", value, re.DOTALL)
    if match is None:
        return value
    text = re.sub(rf"(\\+)(?={match[1]}|$)", lambda found: "\\" * (len(found[1]) // 2), match[2])
    return text.replace("\\${", "${")


def split(value: str) -> list[str]:
    """The parts of a value between commas that stand in no quotes."""
    return [part.strip() for part in re.findall(r"((?:'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|[^,])+)", value)]


def values(option: str, value: str, many: bool) -> list[str] | None:
    """The paths that an option names.

    Args:
        option: Such as ``data.root``.
        value: As the shell hands it on.
        many: Whether the command is a multirun, where a comma parts two values.

    Returns:
        The paths, without quotes; None for what is Hydra's own: null, nothing, a reference, a function.

    Raises:
        StiltsError: It can be read both as one path and as several.
    """
    if value in ("", "null") or re.search(r"(?<!\\)\$\{", value) or _FUNCTION.fullmatch(value):
        return None
    parts = [unquoted(part) for part in split(value)]
    whole = unquoted(value)
    if not many or len(parts) < 2 or whole != value or option == "output":  # a sweep has one output folder
        return [whole]
    if not home(value).exists():
        return parts
    if all(home(part).exists() for part in parts):
        raise StiltsError(
            f"{option}={value} is refused with -m: it is a path that is there, and so are the parts between its "
            f"commas; for the one path write {option}={quoted(value)}, for the others "
            f"{option}={', '.join(map(quoted, parts))}, each within the quotes of the shell."
        )
    return [value]


def prepared(argument: str, many: bool) -> str | None:
    """An argument whose value is a path, quoted for Hydra.

    Args:
        argument: Of the command line.
        many: Whether the command is a multirun.

    Returns:
        The argument; None for one whose value is no path, or is Hydra's own.
    """
    match = OPTION.fullmatch(argument)
    if match is None:
        return None
    plus, option, value = match.groups()
    if option.startswith("dataset.") and value[:1] in ("{", "["):
        return None
    found = values(option, value, many)
    if found is None:
        return None
    if option == "output":  # Hydra, too, writes below it
        found = [str(home(path)) if path else path for path in found]  # nothing is not the folder where one is
    several = many and len(found) > 1  # a sweep may have a cell without, as in translation=null,FOLDER
    return f"{plus}{option}={','.join(path if several and path == 'null' else quoted(path) for path in found)}"


def encoders(value: str, known: Sequence[str], many: bool) -> list[str]:
    """The options of a model that is a folder or a hub id, or of several in a multirun; empty for names of the group.

    Raises:
        StiltsError: Some are names, some folders, some hub ids: Hydra can sweep over one of these.
    """
    places = values("model", value, many)
    if places is None or all(place in known for place in places):
        return []
    fields = ["name" if place in known else "path" if _is_folder(place) else "id" for place in places]
    if not all(field == "name" or _is_encoder(place) for field, place in zip(fields, places, strict=True)):
        return []  # the refusal of a name that the group does not have
    if len(set(fields)) > 1:
        raise StiltsError(
            f"model={value} is refused: one sweep takes names of conf/model, or folders, or hub ids, not some of each; "
            "give a command for each kind, with the same output=FOLDER."
        )
    options = ["model=custom", f"model.{fields[0]}={','.join(map(quoted, places))}"]
    # of several, each takes its name from its place (cell/config/sources.py)
    name = quoted(_name_of(places[0])) if len(places) == 1 else "null"
    return [*options, f"model.name={name}"]


def _name_of(place: str) -> str:
    """What an encoder is called by its folder or hub id."""
    return home(place).resolve().name if _is_folder(place) else Path(place).name


def _is_folder(value: str) -> bool:
    path_like = value.startswith((".", "/", "~", "$")) or value.endswith("/") or value.count("/") > 1
    return path_like or os.path.isdir(value)


def _is_encoder(value: str) -> bool:
    return _is_folder(value) or re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", value) is not None


def refuse_bytes(arguments: Iterable[str]) -> None:
    """Refuses names that are no text in UTF-8: they cannot be written into a result.

    Raises:
        StiltsError: With the bytes in question.
    """
    for argument in arguments:
        if any("\udc80" <= letter <= "\udcff" for letter in argument):
            shown = argument.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
            raise StiltsError(f"{shown} is refused: it is not written in UTF-8; rename the file or folder.")

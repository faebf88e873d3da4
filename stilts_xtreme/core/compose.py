"""From a command line to a checked cell: shorthand, nearest matches, and errors of one sentence, not tracebacks."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from stilts_xtreme.core.conf import conf_dir
from stilts_xtreme.core.errors import StiltsError, unknown

T = TypeVar("T")

GROUPS = ("intermediate", "target", "study", "model", "data", "benchmark", "recipe", "trainer", "logger")
ADDED = ("intermediate", "target", "study")


def choices(group: str) -> list[str]:
    """The choices of a configuration group, in alphabetical order."""
    return sorted(path.stem for path in (conf_dir() / group).glob("*.yaml"))


def prepare(arguments: Sequence[str]) -> list[str]:
    """Completes and checks the group choices of a command line.

    ``intermediate=`` and ``target=`` gain their '+'; ``model=FOLDER`` and ``model=OWNER/NAME`` become the custom model;
    ``translation=`` is short for ``translation.source=``.

    Args:
        arguments: The command line without the program's name; Hydra's own flags pass through.

    Returns:
        The command line that Hydra gets.

    Raises:
        StiltsError: For a choice that its group does not have, with the nearest match.
    """
    prepared = []
    for argument in arguments:
        if argument.startswith("translation="):
            prepared.append(argument.replace("translation=", "translation.source=", 1))
            continue
        match = re.fullmatch(r"(\+{0,2})(\w+)=(.*)", argument, flags=re.DOTALL)
        if argument.startswith("-") or match is None or match.group(2) not in GROUPS:
            prepared.append(argument)
            continue
        plus, group, value = match.groups()
        if group == "model" and value not in choices(group) and _is_encoder(value):
            field = "path" if _is_folder(value) else "id"
            place = str(Path(value).expanduser()) if field == "path" else value
            name = Path(place).resolve().name if field == "path" else Path(value).name
            prepared += ["model=custom", f"model.{field}={_quoted(place)}", f"model.name={_quoted(name)}"]
            continue
        for name in _names(value):
            if name not in choices(group):
                raise unknown(group, name, choices(group))
        if group in ADDED and value:
            plus = plus or "+"
        prepared.append(f"{plus}{group}={value}")
    options = [re.split("[.=]", argument.lstrip("+"))[:2] for argument in prepared]
    if ["model", "shipped"] not in options and any(
        option in (["model", "architecture"], ["model", "pretraining"]) for option in options
    ):
        prepared.append("++model.shipped=null")  # to say how to pretrain is to ask for it
    return prepared


def _quoted(value: str) -> str:
    """A value in Hydra's quotes, whatever characters a path may have."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _is_folder(value: str) -> bool:
    return value.startswith((".", "/", "~")) or os.path.isdir(value)


def _is_encoder(value: str) -> bool:
    return _is_folder(value) or re.fullmatch(r"[\w.-]+/[\w.-]+", value) is not None


def _names(value: str) -> list[str]:
    """The plain names in an override's value; sweep functions such as ``glob(*)`` are left to Hydra."""
    if "(" in value:
        return []
    return [name for name in (part.strip(" '\"") for part in re.split(r"[\[\],]", value)) if name]


def sentence(error: Exception) -> StiltsError | None:
    """The user's error in an exception of Hydra or OmegaConf; None when the exception is not the user's doing."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    if isinstance(error, StiltsError):
        return error
    if not isinstance(error, HydraException | OmegaConfBaseException):
        return None
    text = f"{error} {error.__cause__ or ''}"
    missing = re.search(r"Could not override '([^']+)'", text)
    if missing:
        return unknown("option", missing.group(1), *_options(missing.group(1)))
    return StiltsError(" ".join(str(error).split()).rstrip(".") + ".")


def _options(option: str) -> tuple[list[str], list[str]]:
    """What the command line could have meant: options and groups beside a wrong name, and all options below them."""
    from omegaconf import DictConfig

    names: list[str] = []

    def walk(node: Any, prefix: str) -> None:
        for key in node:
            value = node._get_node(key)
            name = f"{prefix}{key}"
            if isinstance(value, DictConfig) and not value._is_none() and len(value):
                walk(value, f"{name}.")
            else:
                names.append(name)

    walk(compose([], raw=True), "")
    names += ADDED
    group = option.lstrip("+").rpartition(".")[0]
    while group and not any(name.startswith(f"{group}.") for name in names):  # up to one that exists
        group = group.rpartition(".")[0]
    prefix = f"{group}." if group else ""
    below = [name for name in names if name.startswith(prefix)]
    return sorted({prefix + name.removeprefix(prefix).split(".")[0] for name in below}), below


def compose(arguments: Sequence[str], raw: bool = False) -> Any:
    """Composes the configuration of one cell without Hydra's application around it.

    Args:
        arguments: A prepared command line (:func:`prepare`), without flags.
        raw: Return Hydra's configuration instead of plain containers.

    Returns:
        The configuration.
    """
    from hydra import compose as hydra_compose
    from omegaconf import OmegaConf

    cfg = with_hydra(lambda: hydra_compose("config", overrides=list(arguments)))
    return cfg if raw else OmegaConf.to_container(cfg, resolve=True)


def with_hydra(work: Callable[[], T]) -> T:
    """Calls a function with Hydra initialised: by the application that runs, or for the call alone."""
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    if GlobalHydra.instance().is_initialized():
        return work()
    with initialize_config_dir(str(conf_dir()), version_base="1.3", job_name="stilts_xtreme"):
        return work()

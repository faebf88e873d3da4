"""The pages of ``python -m stilts_xtreme --help``: all options with what they mean, or all about one of them."""

from __future__ import annotations

import string
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from stilts_xtreme.core import compose, descriptions
from stilts_xtreme.core.conf import conf_dir
from stilts_xtreme.core.errors import unknown
from stilts_xtreme.core.files import text_of
from stilts_xtreme.core.launchers import of_hydra
from stilts_xtreme.core.text import option_value, visible

WIDTH, COLUMN = 118, 34
FLAGS = ("-h", "--help")
SHORT = ("recipe.sources", "recipe.intermediate.tasks", "recipe.target.tasks", "benchmark.groups", "benchmark.more")
"""Options that hold many names: the page of all options shows each as one."""


def page(arguments: Sequence[str]) -> str:
    """The page that a command line with ``--help`` asks for.

    Args:
        arguments: The command line without the program's name. A word without '=' is a group or an option to explain;
            ``GROUP=CHOICE`` alone explains that choice, and otherwise options are shown as the command line sets them.

    Returns:
        The page, as text.

    Raises:
        StiltsError: For an option that there is not.
    """
    folders = compose.search_folders(arguments)
    words = compose.as_option([word for word in arguments if word not in FLAGS])
    topics = [word for word in words if "=" not in word and not word.startswith("-")]
    if topics:
        others = [word for word in words if word not in topics]
        return "\n\n".join(_about(topic.strip("+"), others, folders) for topic in topics) + "\n"
    if len(words) == 1 and (found := _choice(words[0], folders)) is not None:
        return found
    return _all(words, folders)


def groups(folders: Sequence[Path]) -> list[str]:
    """The groups of the configuration, the user's own among them."""
    return sorted({path.parent.name for folder in (conf_dir(), *folders) for path in folder.glob("*/*.yaml")})


def _composed(words: Sequence[str]) -> Any:
    return compose.compose(compose.prepare([word for word in words if not word.startswith("-")]), raw=True)


def _all(words: Sequence[str], folders: Sequence[Path]) -> str:
    listed = "".join(f"{group}: {', '.join(compose.choices(group, folders))}\n" for group in groups(folders))
    known = descriptions.every(folders)
    lines: list[str] = []
    for option, value in _short(_options(_composed(words))):
        lines += _entry(f"{option}={value}", descriptions.description(option, known))
    page = _help(words)["template"]
    return string.Template(page).substitute(APP_CONFIG_GROUPS=listed, CONFIG="\n".join(lines)) + "\n"


def _help(words: Sequence[str]) -> Any:
    """The node ``hydra.help``, which has the frame of the page."""
    from hydra import compose as hydra_compose

    given = compose.prepare([word for word in words if not word.startswith("-")])
    found = compose.with_hydra(lambda: hydra_compose("config", overrides=given, return_hydra_config=True))
    return found.hydra.help


def _options(node: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Options and values below a node, as they are written on a command line."""
    from omegaconf import DictConfig, ListConfig, OmegaConf

    for key in node:
        inner = node._get_node(key)
        if isinstance(inner, DictConfig) and not inner._is_none() and len(inner):
            yield from _options(inner, f"{prefix}{key}.")
        elif isinstance(inner, DictConfig | ListConfig) and not inner._is_none():
            yield f"{prefix}{key}", str(OmegaConf.to_container(inner, resolve=True)).replace("'", "")
        else:
            yield f"{prefix}{key}", option_value(node[key])


def _short(options: Iterator[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """The options, those of :data:`SHORT` as one each."""
    said = set()
    for option, value in options:
        whole = next((name for name in SHORT if option.startswith(f"{name}.")), None)
        if whole is None:
            yield option, value
        elif whole not in said:
            said.add(whole)
            yield whole, "{...}"


def _entry(option: str, text: str) -> list[str]:
    """An option and what it means, in two columns."""
    lines = textwrap.wrap(visible(text), WIDTH - COLUMN - 2, break_on_hyphens=False) or [""]
    option = visible(option)
    if len(option) > COLUMN - 2:
        return [f"  {option}", *(f"  {'':{COLUMN}}{line}" for line in lines)]
    return [f"  {option:{COLUMN}}{lines[0]}".rstrip(), *(f"  {'':{COLUMN}}{line}" for line in lines[1:])]


def _about(topic: str, words: Sequence[str], folders: Sequence[Path]) -> str:
    """All about a group or an option."""
    if topic.startswith("hydra"):
        return _of_hydra(topic.replace(".", "/"))
    known = descriptions.every(folders)
    group = topic.replace("/", ".")
    parts = []
    if topic in groups(folders):
        parts.append(f"{topic}: {len(compose.choices(topic, folders))} choices, as in {topic}=NAME")
        for path in descriptions.files(topic, folders):
            parts += _entry(path.stem, descriptions.first_sentence(descriptions.read(path).about))
        if topic in compose.ADDED or topic == "dataset":
            group = topic if topic in compose.ADDED else "target"
            words = [*words, f"+{group}={compose.ADDED[group]}"]
    options = dict(_options(_composed(words)))
    own = [option for option in options if option == group or option.startswith(f"{group}.")]
    if not own and not parts:
        raise unknown(
            "option", topic, [*groups(folders), *options, *{name.rpartition(".")[0] for name in options} - {""}]
        )
    whole = descriptions.description(group, known)
    if whole and group not in own:
        parts.append("\n".join([group, *textwrap.wrap(whole, WIDTH, initial_indent="  ", subsequent_indent="  ")]))
    for option in own:
        text = descriptions.description(option, known)
        parts += _entry(f"{option}={options[option]}", text)
    return "\n".join(parts)


def _of_hydra(topic: str) -> str:
    """The choices and options of launchers and sweepers."""
    group = "hydra/sweeper" if topic.startswith("hydra/sweeper") else "hydra/launcher"
    lines = [f"{group}: these are its choices, and their options as {group.replace('/', '.')}.OPTION=VALUE"]
    for name, options in of_hydra(group).items():
        lines += _entry(name, ", ".join(options))
    return "\n".join([*lines, "", "docs/sweeps.md explains them; --hydra-help lists all that is Hydra's own."])


def _choice(word: str, folders: Sequence[Path]) -> str | None:
    """All about one choice of a group; None where the word is something else."""
    group, _, name = word.lstrip("+").partition("=")
    path = next((path for path in descriptions.files(group, folders) if path.stem == name), None)
    if path is None or group not in groups(folders):
        return None
    about = descriptions.read(path).about
    head = "\n".join(textwrap.wrap(about, WIDTH))
    return f"{group}={name}\n\n{head}\n\n{path}:\n\n{text_of(path)}"

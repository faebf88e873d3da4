"""From a command line to a checked cell: shorthand, nearest matches, and errors of one sentence, not tracebacks."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from stilts_xtreme.core import paths
from stilts_xtreme.core.conf import conf_dir
from stilts_xtreme.core.disk import refusal
from stilts_xtreme.core.errors import StiltsError, unknown
from stilts_xtreme.core.launchers import of_hydra, refused_option

T = TypeVar("T")

GROUPS = ("intermediate", "target", "study", "model", "data", "benchmark", "recipe", "trainer", "logger", "callbacks")
ADDED = {"intermediate": "ud_tags", "target": "lareqa", "study": "volumes"}
"""Groups that are empty unless a choice is added, each with one that has most of the group's options."""
SHORT = {"translation": "translation.source", "merge": "merge.method", "controls": "study.controls"}
"""What is short for an option."""


def choices(group: str, folders: Iterable[Path] = ()) -> list[str]:
    """The choices of a configuration group, in alphabetical order.

    Args:
        group: Such as ``target``.
        folders: Folders of the user's own that are laid out like ``conf/`` (:func:`search_folders`).
    """
    return sorted({path.stem for folder in (conf_dir(), *folders) for path in (folder / group).glob("*.yaml")})


def prepare(arguments: Sequence[str], many: bool = False) -> list[str]:
    """Completes and checks the group choices of a command line.

    ``intermediate=`` and ``target=`` gain their '+'; ``model=FOLDER`` and ``model=OWNER/NAME`` become the custom model;
    ``translation=`` is short for ``translation.source=``, ``merge=`` for ``merge.method=``, and ``controls=`` for
    ``study.controls=``.

    Args:
        arguments: The command line without the program's name; Hydra's own flags pass through.
        many: Whether it is a multirun; with ``-m`` among the arguments it is one anyway.

    Returns:
        The command line that Hydra gets.

    Raises:
        StiltsError: For a choice that its group does not have, with the nearest match.
    """
    prepared: list[str] = []
    paths.refuse_bytes(arguments)
    folders = search_folders(arguments)
    many = many or bool({"-m", "--multirun"} & set(arguments))
    rest, named = _split(arguments)
    prepared += [f"--config-dir={paths.home(name).absolute()}" for name in named]
    for argument in rest:
        if re.match(r"\+{0,2}(model|target|study)\.name=.*\$\{", argument, flags=re.DOTALL):
            raise StiltsError(
                f"{argument} is refused: a name goes into folders, results and loggers, so it is given as a text."
            )
        argument = paths.prepared(argument, many) or argument
        if own_field(argument):
            prepared.append(f"++{argument}")
            continue
        short = next((short for short in SHORT if argument.startswith(f"{short}=")), None)
        if short is not None:
            prepared.append(argument.replace(short, SHORT[short], 1))
            continue
        match = re.fullmatch(r"(\+{0,2})(\w+)=(.*)", argument, flags=re.DOTALL)
        if argument.startswith("-") or match is None or match.group(2) not in GROUPS:
            prepared.append(argument)
            continue
        plus, group, value = match.groups()
        known = choices(group, folders)
        encoders = paths.encoders(value, known, many) if group == "model" else []
        if encoders:
            prepared += encoders
            continue
        for name in _names(value):
            if name not in known:
                raise unknown(group, name, known)
        if group in ADDED and value:
            plus = plus or "+"
        prepared.append(f"{plus}{group}={value}")
    if any(re.match(r"\+{0,2}study=", argument) for argument in prepared):  # whose YAML need not name controls
        prepared = [f"++{argument}" if argument.startswith("study.controls=") else argument for argument in prepared]
    options = [re.split("[.=]", argument.lstrip("+"))[:2] for argument in prepared]
    if ["model", "shipped"] not in options and any(
        option in (["model", "architecture"], ["model", "pretraining"]) for option in options
    ):
        prepared.append("++model.shipped=null")  # to say how to pretrain is to ask for it
    return prepared


def own_field(argument: str) -> bool:
    """Whether an argument sets a field that a YAML need not have: of a data set, or a recipe's value for one task.

    Such are ``dataset.NAME.label_values`` and ``recipe.target.tasks.NAME.epochs``. Whether there is such a field is
    said where the data set's description, or the recipe, is checked.
    """
    return re.match(r"(dataset\.\w+|recipe\.(intermediate|target)\.tasks\.\w+)\.[\w.]+=", argument) is not None


def search_folders(arguments: Sequence[str]) -> list[Path]:
    """The user's own folders of configuration that a command line names, by ``--config-dir`` or ``hydra.searchpath``.

    Raises:
        StiltsError: One of them is not there.
    """
    _, named = _split(arguments)
    for argument in arguments:
        match = re.fullmatch(r"\+{0,2}hydra\.searchpath=\[(.*)\]", argument, flags=re.DOTALL)
        parts = [paths.unquoted(part) for part in paths.split(match[1])] if match else []
        named += [
            part.removeprefix("file://") for part in parts if part and not part.startswith(("pkg://", "structured:"))
        ]
    found = [paths.home(name).absolute() for name in named]
    for folder, name in zip(found, named, strict=True):
        if not folder.is_dir():
            raise StiltsError(
                f"--config-dir={name} is not a folder; it must hold YAML as target/NAME.yaml, dataset/NAME.yaml."
            )
    return found


def _split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """A command line without Hydra's ``--config-dir``, and the folders that it names."""
    rest: list[str] = []
    named: list[str] = []
    given = iter(arguments)
    for argument in given:
        match = re.fullmatch(r"(?:--config-dir|-cd)(?:=(.*))?", argument, flags=re.DOTALL)
        if match is None:
            rest.append(argument)
            continue
        name = match[1] if match[1] is not None else next(given, None)
        if name is None:
            raise StiltsError(f"{argument} needs a folder, as in {argument} FOLDER.")
        named.append(name)
    return rest, named


def as_option(arguments: Sequence[str]) -> list[str]:
    """A command line with ``--config-dir`` as an option of Hydra's composition, which has no flags."""
    rest, named = _split(arguments)
    if not named:
        return rest
    folders = search_folders(arguments)
    rest = [argument for argument in rest if not re.match(r"\+{0,2}hydra\.searchpath=", argument)]
    return [*rest, f"hydra.searchpath=[{','.join(paths.quoted(f'file://{folder}') for folder in folders)}]"]


def located(config: dict[str, Any], folders: Iterable[str | Path]) -> dict[str, Any]:
    """Says of data sets with files of the user's own where their YAML is, since relative names begin there.

    Args:
        config: A composed configuration, plain; changed.
        folders: Folders of configuration.
    """
    own = config.get("dataset")
    for name, values in own.items() if isinstance(own, dict) else ():
        if isinstance(values, dict) and values.get("files") and not values.get("folder"):
            found = next((place for folder in folders for place in _describing(Path(folder), str(name))), None)
            values["folder"] = str(found) if found else None
    return config


def _describing(folder: Path, name: str) -> Iterator[Path]:
    """Where a folder of configuration describes a data set: in a file of its own, or in that of a task."""
    if (folder / "dataset" / f"{name}.yaml").is_file():
        yield folder / "dataset"
    for group in ("target", "intermediate"):
        for path in sorted((folder / group).glob("*.yaml")):
            text = path.read_text(encoding="utf-8")
            if re.search(r"^dataset:", text, re.MULTILINE) and re.search(rf"^ +{re.escape(name)}:", text, re.MULTILINE):
                yield folder / group


def folders_of(hydra: Any) -> list[str]:
    """All folders that Hydra has composed a configuration from, by the configuration's node ``hydra``."""
    return [source.path for source in hydra.runtime.config_sources if source.schema == "file"]


def _names(value: str) -> list[str]:
    """The plain names in an override's value; sweep functions such as ``glob(*)`` are left to Hydra."""
    if "(" in value:
        return []
    return [name for name in (part.strip(" '\"") for part in re.split(r"[\[\],]", value)) if name]


def sentence(error: Exception) -> StiltsError | None:
    """What a user can act on in an exception; None when it is the program's own fault."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    if isinstance(error, StiltsError):
        return error
    if (known := refusal(error)) is not None:
        return known
    if not isinstance(error, HydraException | OmegaConfBaseException):
        return None
    text = f"{error} {error.__cause__ or ''}"
    default = re.search(r"In '([^']+)': Could not (?:find|load) '([^']+)'", text)
    if default:
        return _missing_default(default[1], default[2], text)
    missing = re.search(r"Could not override '([^']+)'", text)
    if missing and (plugin := re.match(r"hydra\.(launcher|sweeper)\.(\w+)", missing[1])):
        return refused_option(plugin[1], plugin[2])
    if missing:
        option, there = missing.group(1), _options(missing.group(1))
        group = option.lstrip("+").partition(".")[0]
        if group in ADDED and option != group and any(option in names for names in there):
            return StiltsError(
                f"option={option} is refused: the command names no {group} that has it; give +{group}=NAME too, with "
                f"one of: {', '.join(choices(group))}."
            )
        if f"full_key: {option}." in text:
            return StiltsError(f"option={option} takes keys of your own, which are new; write ++{option}=... instead.")
        if any(option in names for names in there):
            return StiltsError(
                f"option={option} is one of another choice of {group} than this command has; give {group}=CHOICE too. "
                "A model of your own brings data=hub and recipe=phang2020."
            )
        return unknown("option", option, *there)
    return StiltsError(" ".join(str(error).split()).rstrip(".") + ".")


def _missing_default(file: str, wanted: str, text: str) -> StiltsError:
    """The refusal of a name in the ``defaults`` of a YAML that no file has."""
    if wanted.startswith("hydra/"):
        group, _, name = wanted.rpartition("/")
        return unknown(group, name, of_hydra(group))
    folders = re.findall(r"path=file://(.*?)(?=\s+provider=|$)", text, re.DOTALL)
    names = choices(wanted.rpartition("/")[0], map(Path, folders))
    near = difflib.get_close_matches(wanted.rpartition("/")[2], names, n=1, cutoff=0.5)
    hint = f" (did you mean '{wanted.rpartition('/')[0]}/{near[0]}'?)" if near else ""
    return StiltsError(
        f"{file}.yaml names '{wanted}' in its defaults, and there is no {wanted}.yaml{hint}: write that file into the "
        f"same folder of configuration, or choose one of: {', '.join(names) or 'none'}."
    )


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

    group = option.lstrip("+").partition(".")[0]
    walk(compose([f"+{group}={ADDED[group]}"] if group in ADDED else [], raw=True), "")
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

    arguments = as_option(arguments)
    cfg = with_hydra(lambda: hydra_compose("config", overrides=arguments))
    if raw:
        return cfg
    return located(OmegaConf.to_container(cfg, resolve=True), search_folders(arguments))  # type: ignore[arg-type]


def with_hydra(work: Callable[[], T]) -> T:
    """Calls a function with Hydra initialised: by the application that runs, or for the call alone."""
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    if GlobalHydra.instance().is_initialized():
        return work()
    with initialize_config_dir(str(conf_dir()), version_base="1.3", job_name="stilts_xtreme"):
        return work()

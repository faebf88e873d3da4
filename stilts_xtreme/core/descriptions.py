"""What each option means: the comment above it in the YAML, which is its only description."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from stilts_xtreme.core.conf import conf_dir
from stilts_xtreme.core.files import text_of

KEY = re.compile(r"( *)([\w.+/-]+|\"[^\"]+\"):(?: |$)")


OPEN = re.compile(
    r"benchmark\.(groups|more|tasks)|callbacks\.\w+|model\.architecture|recipe\.sources|recipe\.\w+\.tasks(?=\.\w+$)"
    r"|dataset\.\w+\.(columns|splits|sources|counts|codes|label_values|dev)(?=\.|$)"
)
"""Options that hold names which are no options of their own: what is said of the whole is said of each part."""


@dataclass(frozen=True)
class Described:
    """What a file of configuration says of itself.

    Attributes:
        about: The comment at its top.
        options: Keys, from the outermost to the innermost, joined by dots -> the comment above them.
    """

    about: str
    options: dict[str, str]


def read(path: Path) -> Described:
    """The comments of a file: the block at its top is about the file, one right above a key is about the key."""
    about: str | None = None
    package = ""
    options: dict[str, str] = {}
    comment: list[str] = []
    above: list[tuple[int, str]] = []  # the keys around a line, with their indents
    block = -1  # the indent of the key whose value is a block of text
    open_ = 0  # brackets
    for line in text_of(path).lstrip("\ufeff").splitlines():
        text = line.strip()
        indent = len(line) - len(line.lstrip())
        if block >= 0 and (not text or indent > block):
            continue
        block = -1
        if text.startswith("#"):
            said = text.lstrip("#").strip()
            if said.startswith("@package"):
                package = said.removeprefix("@package").strip()
            else:
                comment.append(said)
            continue
        if not text or above or not comment:
            about = about if about is not None else " ".join(comment)
            if not text:
                comment = []
                continue
        match = KEY.match(line) if not open_ else None
        open_ += len(re.findall(r"[{\[]", text)) - len(re.findall(r"[}\]]", text))
        if match is not None:
            while above and above[-1][0] >= indent:
                above.pop()
            above.append((indent, match[2].strip('"')))
            if about is None:
                about = " ".join(comment)
            elif comment:
                options[".".join(key for _, key in above)] = " ".join(comment)
            if re.search(r": [|>][-+]?$", line):
                block = indent
        elif about is None:  # an empty file
            about = " ".join(comment)
        comment = []
    prefix = {"_global_": ""}.get(package, package or group_of(path))
    named = {f"{prefix}.{name}" if prefix else name: said for name, said in options.items()}
    return Described(about or "", named)


def group_of(path: Path) -> str:
    """The group of a file of configuration; empty for the main one."""
    return "" if path.name == "config.yaml" else path.parent.name


def files(group: str, folders: Iterable[Path] = ()) -> Iterator[Path]:
    """The files of a group, the package's own first."""
    for folder in (conf_dir(), *folders):
        yield from sorted((folder / group).glob("*.yaml"))


def every(folders: Iterable[Path] = ()) -> dict[str, str]:
    """Option -> its description, of all groups; the main file's words come first, then those of the first file.

    What holds for any data set is found under ``dataset.NAME``.
    """
    found: dict[str, str] = {}
    places = [conf_dir(), *folders]
    paths = [conf_dir() / "config.yaml", *(path for place in places for path in sorted(place.glob("*/*.yaml")))]
    for path in paths:
        described = read(path)
        for option, said in described.options.items():
            found.setdefault(_named(option), said)
        if path.stem == "none":  # what a group is where nothing of it is chosen
            found.setdefault(group_of(path), described.about)
    return found


def description(option: str, known: dict[str, str]) -> str:
    """The description of an option; both phases of a recipe, and single tasks in them, share theirs.

    Args:
        option: Such as ``recipe.target.epochs``.
        known: As :func:`every` has them.

    Returns:
        The text; empty where there is none.
    """
    shared = re.sub(r"^recipe\.(intermediate|target)\.(tasks\.\w+\.)?", "recipe.intermediate.", option)
    part_of = OPEN.match(option)
    names = (option, _named(option), shared, _named(part_of[0]) if part_of else "")
    return next((known[name] for name in names if name in known), "")


def _named(option: str) -> str:
    """An option of any data set or task, without its name."""
    return re.sub(r"^(dataset|intermediate)\.\w+(?=\.)", r"\1.NAME", option)


def first_sentence(text: str) -> str:
    """The first sentence of a description."""
    return re.split(r"(?<=[.!?])(?<! al\.)\s+(?=[A-Z0-9`'\"(])", text, maxsplit=1)[0]

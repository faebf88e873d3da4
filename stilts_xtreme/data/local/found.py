"""Where the files of a user's own data set are: what its YAML says, checked, and as paths."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stilts_xtreme.core.checks import refused
from stilts_xtreme.core.errors import StiltsError, unknown
from stilts_xtreme.core.paths import home
from stilts_xtreme.core.schema import SPLITS, DatasetSpec
from stilts_xtreme.data.local.saved import SAVED

LANGUAGE = "{lang}"

Place = Any
"""A path, or a ``datasets.Dataset`` that was given from Python."""


def check_files(option: str, files: object) -> dict[str, Any]:
    """Checks the field ``files`` of a data set.

    Args:
        option: The data set as the user writes it, such as ``dataset.mine``.
        files: The field: split -> file, files, or language -> these; or the folder of a saved ``DatasetDict``.

    Returns:
        Split -> what it names; the folder stands for every split.

    Raises:
        StiltsError: It is something else, or a split or a language is none.
    """
    if isinstance(files, str | Path):
        return dict.fromkeys(SPLITS, str(files))
    form = "write it as {train: FILE, test: {de: FILE, sw: FILE}} or {test: 'FOLDER/{lang}.jsonl'}"
    if not isinstance(files, Mapping):
        raise refused(f"{option}.files", files, form)
    for split, value in files.items():
        if split not in SPLITS:
            raise unknown(f"split of {option}.files", split, SPLITS)
        if isinstance(value, Mapping) and not is_dataset(value):
            for language in value:
                if not isinstance(language, str):
                    raise StiltsError(
                        f"{option}.files.{split} has the language {language!r}: put its code in quotes, as in 'no'."
                    )
        for part in value.values() if isinstance(value, Mapping) else (value,):
            for name in part if isinstance(part, list | tuple) else (part,):
                if not (isinstance(name, str | Path) or name is None or is_dataset(name)):
                    raise refused(f"{option}.files.{split}", name, form)
    return {split: value for split, value in files.items() if value is not None}


def is_dataset(value: object) -> bool:
    """Whether it is a ``datasets.Dataset``, told without importing the library."""
    return hasattr(value, "column_names") and hasattr(value, "features")


def has_split(spec: DatasetSpec, split: str) -> bool:
    """Whether the data set names files of a split; of a folder that stands for all, whether the folder has it."""
    value = spec.files.get(split)
    if value is None:
        return False
    if isinstance(value, str) and all(spec.files.get(other) == value for other in SPLITS):
        folder = resolve(spec, split, value)
        return (folder / split / SAVED[0]).is_file() or (split == "train" and (folder / SAVED[0]).is_file())
    return True


def by_language(spec: DatasetSpec, split: str) -> dict[str | None, list[Place]]:
    """Language -> the places of a split's rows; under None those of no language in particular.

    Raises:
        StiltsError: A file is not there; names the paths that were looked for.
    """
    if not has_split(spec, split):
        return {}
    value = spec.files[split]
    if isinstance(value, Mapping) and not is_dataset(value):
        return {language: _places(spec, split, part) for language, part in value.items() if part is not None}
    if isinstance(value, str) and LANGUAGE in value:
        return {language: [path] for language, path in _by_pattern(spec, split, value).items()}
    return {None: _places(spec, split, value)}


def _places(spec: DatasetSpec, split: str, value: object) -> list[Place]:
    parts = value if isinstance(value, list | tuple) else [value]
    return [part if is_dataset(part) else resolve(spec, split, str(part)) for part in parts]


def resolve(spec: DatasetSpec, split: str, name: str) -> Path:
    """The path of a file or folder: below the YAML's folder, or else the working folder.

    Raises:
        StiltsError: It is in neither.
    """
    tried = _candidates(spec, name)
    for path in tried:
        if path.exists():
            return path
    raise StiltsError(
        f"dataset.{spec.name}.files.{split}={name} is not there: looked for {' and '.join(map(str, tried))}; bring the "
        "file, or name another."
    )


def _candidates(spec: DatasetSpec, name: str) -> list[Path]:
    path = home(name)
    folders = [Path(spec.folder)] if spec.folder and not path.is_absolute() else []
    return list(dict.fromkeys((folder / path).absolute() for folder in (*folders, Path())))


def _by_pattern(spec: DatasetSpec, split: str, name: str) -> dict[str, Path]:
    """Language -> file, of all files that a name with ``{lang}`` fits; in the order of the spec, or of the alphabet."""
    codes = {spec.codes.get(language, language): language for language in spec.languages}
    tried = _candidates(spec, name)
    for path in tried:
        pattern = re.compile("([^/]+)".join(map(re.escape, str(path).split(LANGUAGE))))
        fixed = Path(str(path).partition(LANGUAGE)[0] + "x").parent  # the folder above the first name that varies
        rest = str(path)[len(str(fixed)) :].lstrip("/")
        glob = "*".join(re.sub(r"([*?[])", r"[\1]", part) for part in rest.split(LANGUAGE))
        found = {}
        for place in sorted(fixed.glob(glob)) if fixed.is_dir() else ():
            match = pattern.fullmatch(str(place))
            if match and len(set(match.groups())) == 1 and (not codes or match[1] in codes):
                found[codes.get(match[1], match[1])] = place
        if found:
            order = [language for language in spec.languages if language in found] or sorted(found)
            return {language: found[language] for language in order}
    raise StiltsError(
        f"dataset.{spec.name}.files.{split}={name} fits no file: looked for {' and '.join(map(str, tried))}"
        f"{' in ' + ', '.join(spec.languages) if spec.languages else ''}; bring the files, or name others."
    )

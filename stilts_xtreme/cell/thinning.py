"""Trainings on a target without their weights, which are large, and which finished evaluations need no more.

A stage whose weights were removed keeps all else: its manifest, its curve, its configuration. It stays finished. Only
where something is to be made that starts from it, it is made again.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from stilts_xtreme.cell.store import Store, parents_of
from stilts_xtreme.core.files import write_atomic
from stilts_xtreme.core.manifest import MODELS, REMOVED, removed
from stilts_xtreme.core.stage import Selected, Stage, Training

LARGE = 100_000
"""Bytes from which on another file of a model goes with its weights: the tokenizer, which has 17 MB in XLM-R."""


def thin(store: Store, key: str) -> int:
    """Removes the weights and the tokenizer of a finished stage; what is removed is written down first.

    Returns:
        The bytes that were removed.
    """
    folder, names, size = store.path(key), _large(store, key), weights(store, key)
    if not names:
        return 0
    write_atomic(folder / REMOVED, json.dumps(names))
    for name in names:
        (folder / name).unlink(missing_ok=True)
    return size


def weights(store: Store, key: str) -> int:
    """Bytes of what :func:`thin` would remove of a finished stage."""
    paths = [store.path(key) / name for name in _large(store, key)]
    found = [path.stat() for path in paths if path.exists()]
    return sum({entry.st_ino: entry.st_size for entry in found}.values())  # heads share the file of their encoder


def _large(store: Store, key: str) -> list[str]:
    """The files of a finished stage that go with its weights."""
    files: Mapping[str, Any] = (store.manifest(key) or {}).get("files", {})
    of_models = [name for name in files if name.startswith(MODELS)]
    return sorted(name for name in of_models if name.endswith(".safetensors") or files[name]["size"] >= LARGE)


def spent(manifests: Mapping[str, Mapping[str, Any]], waiting: Collection[str]) -> list[str]:
    """The finished stages whose weights nothing needs any more.

    They are trainings on a target, and the weights that rules chose of them. Something started from each, and is
    finished. An intermediate training is kept, as every new target starts from it.

    Args:
        manifests: The manifests of all finished stages by key.
        waiting: Keys of stages that something which is not finished starts from.
    """
    started = {parent for manifest in manifests.values() for parent in parents_of(manifest)}
    return [key for key in manifests if key in started and key not in waiting and _on_target(key, manifests)]


def _on_target(key: str, manifests: Mapping[str, Mapping[str, Any]]) -> bool:
    manifest = manifests[key]
    if manifest.get("kind") == "select":
        return any(_on_target(parent, manifests) for parent in parents_of(manifest) if parent in manifests)
    info = manifest.get("info", {})
    return manifest.get("kind") == "train" and (info.get("axes") or {}).get("phase") == "target"


def is_on_target(stage: Stage) -> bool:
    """Whether a stage is a training on a target, or the weights that a rule chose of one."""
    return isinstance(stage, Training | Selected) and stage.phase == "target"


def release(stages: Iterable[Stage], store: Store, done: Collection[str]) -> int:
    """Removes the weights of trainings on a target from which nothing is to be made any more.

    Args:
        stages: All stages of a command.
        store: Where they are.
        done: Keys of those that are finished.

    Returns:
        The bytes that were removed.
    """
    stages = list(stages)
    waiting = {parent.key for stage in stages if stage.key not in done for parent in stage.parents}
    started = {parent.key for stage in stages for parent in stage.parents}
    going = [
        stage.key
        for stage in stages
        if is_on_target(stage) and stage.key in done and stage.key in started - waiting
        if not removed(store.path(stage.key))
    ]
    return sum(thin(store, key) for key in going)


def unfinished(stages: Iterable[Stage], store: Store) -> set[str]:
    """The keys of stages that are to be made: absent ones, and thinned ones that such a stage starts from.

    Args:
        stages: Parents before children.
        store: Where finished ones are.
    """
    found: set[str] = set()
    wanted: set[str] = set()
    for stage in reversed(list(stages)):
        if not store.done(stage.key) or (stage.key in wanted and removed(store.path(stage.key))):
            found.add(stage.key)
            wanted |= {parent.key for parent in stage.parents}
    return found


def make_way(keys: Iterable[str], store: Store) -> None:
    """Takes thinned stages that are to be made again out of the store; others stay.

    Args:
        keys: Those that are to be made (:func:`unfinished`).
        store: Where they are.
    """
    for key in keys:
        if not removed(store.path(key)):
            continue
        with store.lock(key, key):
            folder = store.path(key)
            if removed(folder):  # another process may have made it again
                aside = folder.with_name(f".{key}.gone")  # nobody takes a half-removed stage for a whole one
                folder.rename(aside)
                shutil.rmtree(aside)

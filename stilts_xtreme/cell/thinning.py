"""Trainings on a target without their weights, which are large, and which finished evaluations need no more.

A stage whose weights were removed keeps all else: its manifest, its curve, its configuration. It stays finished. Only
where something is to be made that starts from it, it is made again. Whoever reads weights holds a lock on them, so that
nobody removes them meanwhile.
"""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from stilts_xtreme.cell.manifests import parents_of
from stilts_xtreme.cell.store import Store
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.files import shared, write_atomic
from stilts_xtreme.core.manifest import MODELS, REMOVED, removed
from stilts_xtreme.core.stage import Merged, Selected, Stage, Training
from stilts_xtreme.models.flops import encoder_size

log = logging.getLogger(__name__)

LARGE = 100_000
"""Bytes from which on another file of a model goes with its weights: the tokenizer, which has 17 MB in XLM-R."""
FULL = (errno.ENOSPC, errno.EDQUOT)
"""Errors of the system where nothing more can be written."""


def thin(store: Store, key: str) -> int:
    """Removes the weights and the tokenizer of a finished stage; what is removed is written down first.

    Returns:
        The bytes that were removed; 0 where another process reads them.
    """
    folder = store.path(key)
    with _alone(store, key) as alone:
        size, names = weights(store, key), _large(store, key)
        if not alone or not names:
            return 0
        note = json.dumps({"files": names, "encoder": encoder_size(folder)})
        try:
            write_atomic(folder / REMOVED, note)
        except OSError as error:
            if error.errno not in FULL:
                raise
            (folder / names[0]).unlink(missing_ok=True)  # killed here, it is damaged: there was no room to say more
            write_atomic(folder / REMOVED, note)
        for name in names:
            (folder / name).unlink(missing_ok=True)
    return size


def weights(store: Store, key: str) -> int:
    """Bytes of what :func:`thin` would remove of a finished stage."""
    paths = [store.path(key) / name for name in _large(store, key)]
    found = [path.stat() for path in paths if path.exists()]
    return sum({entry.st_ino: entry.st_size for entry in found}.values())  # heads share the file of their encoder


def _large(store: Store, key: str) -> list[str]:
    """The files of a finished stage that go with its weights, the weights first."""
    files: Mapping[str, Any] = (store.manifest(key) or {}).get("files", {})
    of_models = [name for name in files if name.startswith(MODELS)]
    chosen = [name for name in of_models if name.endswith(".safetensors") or files[name]["size"] >= LARGE]
    return sorted(chosen, key=lambda name: -files[name]["size"])


@contextmanager
def reading(store: Store, stages: Iterable[Stage]) -> Iterator[None]:
    """Keeps the weights of stages from being removed meanwhile."""
    with ExitStack() as stack:
        for stage in stages:
            fcntl.flock(stack.enter_context(_lock(store, stage.key)), fcntl.LOCK_SH)
        yield


@contextmanager
def _alone(store: Store, key: str) -> Iterator[bool]:
    """Keeps others from reading the weights of a stage; tells whether nobody does."""
    with _lock(store, key) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


@contextmanager
def _lock(store: Store, key: str) -> Iterator[int]:
    path: Path = store.root / "locks" / f"{key}.weights"
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_CREAT | os.O_RDWR, shared())
    try:
        yield file
    finally:
        os.close(file)


def spent(manifests: Mapping[str, Mapping[str, Any]], waiting: Iterable[str]) -> list[str]:
    """The finished stages whose weights nothing needs any more, by what all stages of a store say.

    They are trainings on a target, and the weights that rules chose of them. Something started from each. A training
    with fresh heads started from none of them, as it does from an intermediate training.

    Args:
        manifests: The manifests of all finished stages by key.
        waiting: Keys of stages that something which is not finished reads.
    """
    started: set[str] = set()
    kept = set(waiting)
    for manifest in manifests.values():
        parents = parents_of(manifest)
        started.update(parents)
        fresh = manifest.get("kind") == "train" and not (manifest.get("identity") or {}).get("head_continues")
        if fresh or manifest.get("kind") == "merge":
            kept.update(parents)
    return [key for key in manifests if key in started - kept and _on_target(key, manifests)]


def _on_target(key: str, manifests: Mapping[str, Mapping[str, Any]]) -> bool:
    manifest = manifests[key]
    if manifest.get("kind") == "select":
        return any(_on_target(parent, manifests) for parent in parents_of(manifest) if parent in manifests)
    info = manifest.get("info", {})
    return manifest.get("kind") == "train" and (info.get("axes") or {}).get("phase") == "target"


def is_brief(stage: Stage, started: Iterable[Stage]) -> bool:
    """Whether a stage is a training on a target, or weights of one, that no training with fresh heads starts from.

    Args:
        stage: The stage.
        started: What starts from it.
    """
    if not isinstance(stage, Training | Selected) or stage.phase != "target":
        return False
    return not any(isinstance(each, Merged) or _has_fresh_heads(each) for each in started)


def _has_fresh_heads(stage: Stage) -> bool:
    return isinstance(stage, Training) and not stage.continues_head


def release(stages: Iterable[Stage], store: Store) -> None:
    """Removes the weights of trainings on a target, all of a command being finished."""
    every = list(stages)
    for stage in every:
        if is_brief(stage, [other for other in every if stage.key in {parent.key for parent in other.parents}]):
            let_go(store, stage.key)


def let_go(store: Store, key: str) -> None:
    """Removes weights where that can be done; what cannot be removed is said, and stays."""
    try:
        thin(store, key)
    except (OSError, StiltsError) as error:
        log.warning("the weights in %s stay: %s", store.path(key), error)


def unfinished(stages: Iterable[Stage], store: Store) -> set[str]:
    """The keys of stages that are to be made: absent ones, and those without weights that such a stage reads.

    A damaged stage that is refused reads nothing: it is not made.

    Args:
        stages: Parents before children.
        store: Where finished ones are.
    """
    found: set[str] = set()
    wanted: set[str] = set()
    for stage in reversed(list(stages)):
        absent = not store.done(stage.key)
        if absent or (stage.key in wanted and removed(store.path(stage.key))):
            found.add(stage.key)
            if not (absent and store.path(stage.key).exists() and store.on_damage == "refuse"):
                wanted |= {parent.key for parent in stage.opens}
    return found

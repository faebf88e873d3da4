"""The manifests of stages: what each is, what it was made from, and whether its record is as it was written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stilts_xtreme.core.manifest import are_files, is_whole

STORE_SCHEMA = 1

FIELDS = ("schema", "key", "label", "kind", "identity", "parent", "parents", "info", "made", "files")
"""What a manifest says of its stage."""


def parents_of(manifest: Mapping[str, Any] | None) -> tuple[str, ...]:
    """The keys of the stages that a stage was made from: of most one, of what was merged several."""
    found = manifest or {}
    parent = found.get("parent")
    return tuple(found.get("parents") or ([parent] if parent else ()))


def is_newer(manifest: object) -> bool:
    """Whether a later version of the package wrote a manifest, whose layout this one does not know."""
    schema = manifest.get("schema") if isinstance(manifest, dict) else None
    return isinstance(schema, int) and schema > STORE_SCHEMA


def is_sealed(manifest: dict[str, Any]) -> bool:
    """Whether a manifest is as it was written; one of an earlier version has nothing to tell it by."""
    return is_whole(timeless(manifest), FIELDS)


def is_manifest(found: object) -> bool:
    """Whether something read from a file is the manifest of a stage."""
    if not isinstance(found, dict) or not isinstance(found.get("schema", 0), int):
        return False
    made, parent, parents = found.get("made"), found.get("parent"), found.get("parents", [])
    if not isinstance(made, dict) or not isinstance(found.get("info"), dict) or not are_files(found.get("files")):
        return False
    kinds = {"seconds": int | float, "finished": str, "host": str, "versions": dict}
    several = isinstance(parents, list) and all(isinstance(key, str) for key in parents)
    return (
        (parent is None or isinstance(parent, str))
        and several
        and all(isinstance(made.get(name), kind) for name, kind in kinds.items())
    )


def timeless(manifest: dict[str, Any]) -> dict[str, Any]:
    """A manifest as it is sealed: without what clocks said, which is for people and decides nothing."""
    made = {name: value for name, value in manifest["made"].items() if name not in ("seconds", "finished")}
    return {**manifest, "made": made}

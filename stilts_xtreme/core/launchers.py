"""Hydra's own groups, of launchers and sweepers: their choices, and the refusal of an option that one lacks."""

from __future__ import annotations

from typing import Any

from stilts_xtreme.core.errors import StiltsError, unknown


def of_hydra(group: str) -> dict[str, list[str]]:
    """Choice -> its options, in one of Hydra's own groups, such as ``hydra/launcher``, as its plugins have them."""
    from hydra.core.config_store import ConfigStore
    from hydra.core.plugins import Plugins

    Plugins.instance()  # which loads them: each adds its own choices
    node: Any = ConfigStore.instance().repo
    for part in group.split("/"):
        node = node.get(part, {})
    found = {name.removesuffix(".yaml"): held.node for name, held in node.items() if not name.startswith("_")}
    return {name: [str(key) for key in found[name] if not str(key).startswith("_")] for name in sorted(found)}


def refused_option(kind: str, option: str) -> StiltsError:
    """The refusal of an option that the chosen launcher or sweeper does not have."""
    options = of_hydra(f"hydra/{kind}")
    having = [name for name, names in options.items() if option in names]
    if having:
        whose = f"it is an option of hydra/{kind}={' or '.join(having)}"
        return StiltsError(f"hydra.{kind}.{option} is refused with the chosen {kind}: {whose}.")
    return unknown(
        "option", f"hydra.{kind}.{option}", {f"hydra.{kind}.{x}" for names in options.values() for x in names}
    )

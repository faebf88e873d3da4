"""Objects that a user's configuration names by their class; nothing that comes with a model is ever made this way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stilts_xtreme.core.errors import StiltsError


def instantiate(option: str, values: Mapping[str, Any], kind: type) -> Any:
    """Makes the object of a ``_target_`` with Hydra.

    Args:
        option: The option that names it.
        values: ``_target_`` and what it is made with, plain.
        kind: What it must be.

    Raises:
        StiltsError: When it cannot be made, or is something else.
    """
    from hydra.errors import InstantiationException
    from hydra.utils import instantiate as hydra_instantiate

    try:
        # plain containers reach the object, and with it checkpoints, which are loaded without running code
        found = hydra_instantiate(dict(values), _convert_="all")
    except InstantiationException as error:
        reason = error.__cause__ or error
        text = " ".join(str(reason).split())[:300].rstrip(".?")
        raise StiltsError(f"{option}._target_={values['_target_']} cannot be made: {text}.") from error
    if not isinstance(found, kind):
        raise StiltsError(
            f"{option}._target_={values['_target_']} is a {type(found).__name__}; a {kind.__module__}.{kind.__name__} "
            "is needed."
        )
    return found

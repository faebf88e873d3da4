"""What few-shot transfer is: rows of each language that a model is trained on besides, before it answers there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

ARMS = ("after", "replay", "joint")
"""When a model meets the shots: after the training in English; after it, with as many English rows beside them; or
together with all English rows, in the place of the training in English."""


@dataclass(frozen=True)
class Shots:
    """The options of the group ``shots``; see ``conf/config.yaml``.

    Attributes:
        k: Rows of each language.
        draw: Which rows: a number that decides their order, so that fewer rows are part of more.
        arm: One of :data:`ARMS`.
        epochs: Passes over the rows of a language; not of ``joint``.
        learning_rate: Of the training on them; None: that of the training in English.
    """

    k: int
    draw: int = 0
    arm: str = "after"
    epochs: float = 10.0
    learning_rate: float | None = None

    def identity(self) -> dict[str, Any]:
        """What is drawn and how it is used; passes and rate are those of a recipe."""
        return {"k": self.k, "draw": self.draw, "arm": self.arm}

    def facts(self) -> dict[str, Any]:
        """What a result says of them."""
        return self.identity()

    @property
    def words(self) -> str:
        """What people call them, as in ``5 shots, draw 1`` and ``5 shots (joint), draw 1``."""
        return words(self.facts())


def words(facts: dict[str, Any]) -> str:
    """The shots of a result in words.

    Args:
        facts: As of :meth:`Shots.facts`.
    """
    arm = "" if facts["arm"] == "after" else f" ({facts['arm']})"
    return f"{number(facts['k'])}{arm}, draw {facts['draw']}"


def number(k: int) -> str:
    """A number of shots in words: ``1 shot``, ``5 shots``."""
    return f"{k} {'shot' if k == 1 else 'shots'}"

"""What a task format is: one object that owns everything a program must know of it. Free of torch.

A format is a folder of :mod:`stilts_xtreme.tasks` whose package holds an instance of a :class:`TaskFormat` as
``FORMAT``. Nothing outside of that folder asks which format it has; it asks the object.
"""

from __future__ import annotations

from typing import Any

from stilts_xtreme.core.specs import Cell, Recipe


class TaskFormat:
    """One kind of task: how its rows, its model and its answers look.

    Attributes:
        name: Its id in configurations, files and keys.
    """

    name: str

    # what a stage's key depends on

    def training_settings(self, cell: Cell, recipe: Recipe) -> dict[str, Any]:
        """What a training of this format depends on beside rows, recipe and seed: part of its key."""
        return {}

    def selection_settings(self, cell: Cell, recipe: Recipe) -> dict[str, Any]:
        """What decides which weights score best on dev rows, beside the metric: part of the key of such a training."""
        return {}

    def evaluation_settings(self, cell: Cell, recipe: Recipe) -> dict[str, Any]:
        """What the answers of a trained model depend on: part of the key of an evaluation."""
        return {"max_length": recipe.max_length}

    def floor_settings(self) -> dict[str, Any]:
        """What the floors depend on beside rows and metric: part of their key."""
        return {}

    # what an evaluation reads

    def reads_dev(self, cell: Cell) -> bool:
        """Whether an evaluation reads dev rows in every language beside the rows that it scores."""
        return False

    dev_advice: str = "to choose on; bring them"
    """What a user can do who has no dev rows."""

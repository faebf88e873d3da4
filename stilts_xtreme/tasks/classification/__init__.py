"""Classification: one label for a text or a pair of texts."""

from __future__ import annotations

from stilts_xtreme.tasks.format import TaskFormat


class Classification(TaskFormat):
    """One label per row."""

    name = "classification"


FORMAT = Classification()

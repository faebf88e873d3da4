"""Multiple choice: which of several texts goes with a context and a question."""

from __future__ import annotations

from stilts_xtreme.tasks.format import TaskFormat


class MultipleChoice(TaskFormat):
    """One choice per row, of as many as the data set has names."""

    name = "choice"


FORMAT = MultipleChoice()

"""Masked language modelling: pretraining, also beside intermediate tasks; it is never evaluated."""

from __future__ import annotations

from stilts_xtreme.tasks.format import TaskFormat


class MaskedLM(TaskFormat):
    """Text, and nothing to answer."""

    name = "mlm"


FORMAT = MaskedLM()

"""Masked language modelling: pretraining, also beside intermediate tasks; it is never evaluated."""

from __future__ import annotations

from stilts_xtreme.models.head_kind import MASKED_LM
from stilts_xtreme.tasks.format import TaskFormat
from stilts_xtreme.tasks.masked_lm.rows import ROWS


class MaskedLM(TaskFormat):
    """Text, and nothing to answer."""

    name = "mlm"
    rows = ROWS
    module_path = "stilts_xtreme.tasks.masked_lm.module:MLMModule"
    head = MASKED_LM
    pipeline = "fill-mask"
    hub_tag = "fill-mask"
    tokens_per_row = 30


FORMAT = MaskedLM()

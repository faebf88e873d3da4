"""Retrieval: which sentence of another language is the translation of an English one."""

from __future__ import annotations

from stilts_xtreme.tasks.pooled import PooledFormat


class Retrieval(PooledFormat):
    """One position per row."""

    name = "retrieval"


FORMAT = Retrieval()

"""The rows of ranking: queries with the ids of what answers them (``gold``), and the candidates.

``text`` and ``context`` of a query are those of a right candidate, empty where it is only named.
"""

from __future__ import annotations

from collections.abc import Sequence

from stilts_xtreme.core.schema import Columns
from stilts_xtreme.tasks.rows import Finding, RowFormat


class QueryRows(RowFormat):
    """Queries, each with at least one right candidate."""

    def review(self, columns: Columns, labels: int, train: bool) -> tuple[Columns, list[Finding]]:
        """Queries that nothing answers."""
        none = [at for at, right in enumerate(columns["gold"]) if not right]
        return columns, [Finding("no right candidate", none, drop=True)]

    def unscorable(self, columns: Columns, labels: Sequence[str], unanswerable: bool) -> str | None:
        """No query has a right candidate."""
        return None if any(columns["gold"]) else f"none of its {len(columns['gold'])} queries has a right candidate"


ROWS = QueryRows(
    name="ranking",
    columns=("id", "query", "text", "context", "gold"),
    texts=("query", "text", "context"),
    required=("query",),
    optional=("id", "text", "context", "gold"),
    unique_ids=True,
)
CANDIDATES = RowFormat(
    name="candidates",
    columns=("id", "text", "context"),
    texts=("text", "context"),
    required=("text",),
    optional=("id", "text", "context"),
    unique_ids=True,
    pool=True,
)
"""What a query is to find the right ones among."""

"""Tables in the formats of Apache Arrow: parquet, and the files that ``datasets`` writes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stilts_xtreme.data.row_files import read_as, rows_in
from stilts_xtreme.data.tables.types import Table


def read_parquet(path: Path, wanted: Sequence[str] | None = None, limit: int | None = None) -> Table:
    """The rows of a parquet file.

    Args:
        path: The file.
        wanted: The columns to read, as far as they are there; None: all.
        limit: How many rows are needed at the most.

    Raises:
        StiltsError: The file cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with read_as(path, "parquet"), pq.ParquetFile(path) as file:
        schema = file.schema_arrow
        names = [name for name in schema.names if wanted is None or name in wanted]
        if limit is None:
            return _table(file.read(columns=names), schema, path)
        batches, rows = [], 0
        for batch in file.iter_batches(columns=names):
            if rows >= limit:
                break
            batches.append(batch)
            rows += batch.num_rows
        return _table(
            pa.Table.from_batches(batches, schema=file.read_row_groups([], columns=names).schema), schema, path
        )


def read_arrow(path: Path, wanted: Sequence[str] | None = None, limit: int | None = None) -> Table:
    """The rows of an arrow file, a stream or not; arguments and refusals as :func:`read_parquet`."""
    with read_as(path, "arrow"):
        found = _whole(path)
        names = [name for name in found.schema.names if wanted is None or name in wanted]
        return _table(found.select(names).slice(0, limit), found.schema, path)


def count_parquet(path: Path) -> int | None:
    """Rows by the file's metadata."""
    return rows_in(path)


def count_arrow(path: Path) -> int:
    """Rows without their values."""
    with read_as(path, "arrow"):
        return int(_whole(path).num_rows)


def _whole(path: Path) -> Any:
    import pyarrow as pa

    source = pa.memory_map(str(path))
    try:
        return pa.ipc.open_stream(source).read_all()
    except pa.ArrowInvalid:
        return pa.ipc.open_file(source).read_all()


def _table(found: Any, schema: Any, path: Path) -> Table:
    """A table with the types of all columns of the file, those that were not read among them."""
    import pyarrow as pa
    from datasets import Features

    for at, column in enumerate(found.schema):
        if pa.types.is_dictionary(column.type):  # categories of pandas
            found = found.set_column(at, column.name, found[column.name].cast(column.type.value_type))
    for at, column in enumerate(schema):
        if pa.types.is_dictionary(column.type):
            schema = schema.set(at, column.with_type(column.type.value_type))
    found.validate(full=True)
    columns = {name: found[name].to_pylist() for name in found.column_names}
    return Table(columns, dict(Features.from_arrow_schema(schema)), lambda at: f"{path} row {at + 1}", rows=len(found))

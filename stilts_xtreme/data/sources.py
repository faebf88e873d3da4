"""Which source the rows of a data set come from."""

from __future__ import annotations

from stilts_xtreme.core.errors import unknown
from stilts_xtreme.core.schema import DatasetSpec, DataSpec
from stilts_xtreme.data.source import RowSource

KINDS = ("synthetic", "hub")


def source_of(spec: DatasetSpec, data: DataSpec) -> RowSource:
    """The source of a data set: files of the user's own where it names some, else what ``data=`` says.

    So a data set of one's own can stand beside others in one cell, with ``data=synthetic`` and ``data=hub`` alike.

    Args:
        spec: The data set.
        data: The ``data`` group.

    Raises:
        StiltsError: For an unknown ``data.kind``, or a data set that the synthetic world does not have.
    """
    if data.kind not in KINDS:
        raise unknown("data.kind", data.kind, KINDS)
    if spec.files:
        from stilts_xtreme.data.local.own_files import LocalSource

        return LocalSource(spec, data)
    if generated(data):
        from stilts_xtreme.data.synthetic.generated import SyntheticSource  # a tenth of a second

        return SyntheticSource(spec, data)
    from stilts_xtreme.data.hub.repositories import HubSource

    return HubSource(spec, data)


def generated(data: DataSpec) -> bool:
    """Whether rows, and text to pretrain on, are generated where no data set says otherwise."""
    return data.kind == "synthetic"

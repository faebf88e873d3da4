"""A refused value stands in the sentence as its user wrote it."""

import pytest

from stilts_xtreme.core.checks import refused


@pytest.mark.parametrize(
    ("value", "written"), [(None, "null"), (True, "true"), (False, "false"), (0, "0"), (0.5, "0.5"), ("a b", "a b")]
)
def test_a_value_is_written_as_on_a_command_line(value: object, written: str) -> None:
    assert str(refused("seed", value, "it must be less")) == f"seed={written} is refused: it must be less."

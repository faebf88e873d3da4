"""Intermediate-task training for zero-shot cross-lingual transfer, on XTREME and XTREME-R."""

from pathlib import Path

__version__ = "0.1.0"

# "python -m stilts_xtreme.plan" finds the module in the room of the commands
__path__.append(str(Path(__file__).parent / "commands"))

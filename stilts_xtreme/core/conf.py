"""Where the configuration (``conf/``) is."""

from __future__ import annotations

from pathlib import Path


def conf_dir() -> Path:
    """The folder of the configuration: inside the package where it was installed, beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"


CONF: Path = conf_dir()

"""The Hydra application: ``python -m stilts_xtreme +intermediate=mnli +target=xnli``."""

from __future__ import annotations

import logging
import os
import sys
from typing import Any

from stilts_xtreme import compose
from stilts_xtreme.data.catalogue import conf_dir
from stilts_xtreme.errors import StiltsError

FAILED: list[str] = []
"""What went wrong in the cells of this process; Hydra would print more than the sentence and stop at the first."""


def _task(cfg: Any) -> float | None:
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode
    from omegaconf import OmegaConf

    from stilts_xtreme.cell import run

    try:
        result = run(OmegaConf.to_container(cfg, resolve=True))  # type: ignore[arg-type]
    except StiltsError as error:
        job = HydraConfig.get()
        if job.mode == RunMode.MULTIRUN and not job.launcher._target_.endswith("BasicLauncher"):
            raise  # in a process of its own: only the exception reaches the launcher
        print(f"error: {error}", file=sys.stderr)
        FAILED.append(str(error))
        return None
    # what a Hydra sweeper optimises
    return result["averages"].get("zero_shot_value", result["averages"].get("all_value"))


def main() -> int:
    """Runs the command line; a user's error ends in one sentence and exit code 1."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    before = os.environ.get("HYDRA_FULL_ERROR")
    wants_trace = before == "1"
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra hands exceptions on instead of printing them
    try:
        import hydra

        FAILED.clear()
        sys.argv = [sys.argv[0], *compose.prepare(sys.argv[1:])]
        hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="config")(_task)()
    except KeyboardInterrupt:
        print("interrupted: the same command continues from the last checkpoint", file=sys.stderr)
        return 130
    except Exception as error:
        known = compose.sentence(error)
        if known is None or wants_trace:
            raise
        print(f"error: {known}", file=sys.stderr)
        return 1
    finally:
        if before is None:
            del os.environ["HYDRA_FULL_ERROR"]
        else:
            os.environ["HYDRA_FULL_ERROR"] = before
    return 1 if FAILED else 0


if __name__ == "__main__":
    sys.exit(main())

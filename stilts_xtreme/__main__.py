"""The Hydra application: ``python -m stilts_xtreme +intermediate=mnli +target=xnli``."""

from __future__ import annotations

import logging
import os
import sys
from typing import Any

from stilts_xtreme.commands import summary
from stilts_xtreme.core import compose
from stilts_xtreme.core.conf import conf_dir
from stilts_xtreme.core.errors import StiltsError


def _task(cfg: Any) -> float | None:
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode
    from omegaconf import OmegaConf

    from stilts_xtreme.cell.run import run

    job = HydraConfig.get()
    plain: dict[str, Any] = OmegaConf.to_container(cfg, resolve=True)  # type: ignore[assignment]
    try:
        if plain.get("study") and job.mode != RunMode.MULTIRUN:
            raise StiltsError(f"study={plain['study']['name']} is a sweep of many cells; add -m to the command.")
        result = run(plain)
        if job.mode == RunMode.MULTIRUN:
            summary.ran(plain, result)
    except StiltsError as error:
        if job.mode == RunMode.MULTIRUN and not job.launcher._target_.endswith("BasicLauncher"):
            raise  # in a process of its own: only the exception reaches the launcher
        summary.failed(error)
        return None
    return summary.objective(result)


def main() -> int:
    """Runs the command line; a user's error ends in one sentence and exit code 1."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    before = os.environ.get("HYDRA_FULL_ERROR")
    wants_trace = before == "1"
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra hands exceptions on instead of printing them
    try:
        import hydra

        summary.clear()
        sys.argv = [sys.argv[0], *compose.prepare(sys.argv[1:])]
        application = hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="config")(_task)
        try:
            application()
        except StiltsError as error:  # a failed job, as a sweeper hands it on; the others have results
            if not summary.RESULTS or wants_trace:
                raise
            summary.failed(error)
        summary.report()
    except KeyboardInterrupt:
        print("interrupted: the same command continues from the last checkpoint", file=sys.stderr)
        return 130
    except Exception as error:
        known = compose.sentence(error)
        if known is None or wants_trace:
            raise
        summary.failed(known)
    finally:
        if before is None:
            del os.environ["HYDRA_FULL_ERROR"]
        else:
            os.environ["HYDRA_FULL_ERROR"] = before
    return 1 if summary.FAILED else 0


if __name__ == "__main__":
    sys.exit(main())

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
DONE: list[tuple[dict[str, Any], dict[str, Any]]] = []
"""Configuration and result of the cells of a sweep that ran in this process."""


def _task(cfg: Any) -> float | None:
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode
    from omegaconf import OmegaConf

    from stilts_xtreme.cell import run

    job = HydraConfig.get()
    plain: dict[str, Any] = OmegaConf.to_container(cfg, resolve=True)  # type: ignore[assignment]
    try:
        if plain.get("study") and job.mode != RunMode.MULTIRUN:
            raise StiltsError(f"study={plain['study']['name']} is a sweep of many cells; add -m to the command.")
        result = run(plain)
        if job.mode == RunMode.MULTIRUN:
            DONE.append((plain, result))
    except StiltsError as error:
        if job.mode == RunMode.MULTIRUN and not job.launcher._target_.endswith("BasicLauncher"):
            raise  # in a process of its own: only the exception reaches the launcher
        print(f"error: {error}", file=sys.stderr)
        FAILED.append(str(error))
        return None
    # what a Hydra sweeper optimises
    return result["averages"].get("zero_shot_value", result["averages"].get("all_value"))


def _report() -> None:
    """Ends a sweep: the controls of its study, then the matrix of its cells, printed and written."""
    import copy
    import hashlib
    from pathlib import Path

    from omegaconf import OmegaConf
    from rich.console import Console
    from rich.markdown import Markdown

    from stilts_xtreme.cell import run
    from stilts_xtreme.report import matrix

    results = [result for _, result in DONE if result["target"]]
    study = DONE[0][0].get("study") or {}
    for plain, result in list(DONE):
        if result["intermediate"] or not result["target"]:
            continue
        for control in study.get("controls", ()):
            changed = OmegaConf.merge(OmegaConf.create(copy.deepcopy(plain)), OmegaConf.from_dotlist([control]))
            try:
                results.append(run(OmegaConf.to_container(changed)))  # type: ignore[arg-type]
            except StiltsError as error:
                print(f"error: {error}", file=sys.stderr)
                FAILED.append(str(error))
    if len(results) < 2:
        return
    name = "-".join([study.get("name", "sweep"), *sorted({result["model"] for result in results})])
    if not study:  # sweeps without a name of their own do not write over each other
        name += "-" + hashlib.sha256(" ".join(sorted(result["cell"] for result in results)).encode()).hexdigest()[:8]
    folder = Path(DONE[0][0]["output"]) / "studies" / name
    table = matrix.markdown(matrix.write(results, folder))
    Console(file=sys.stdout).print(Markdown(table))
    print(f"matrix, rows and picture: {folder}")


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
        DONE.clear()
        sys.argv = [sys.argv[0], *compose.prepare(sys.argv[1:])]
        hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="config")(_task)()
        if DONE:
            _report()
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

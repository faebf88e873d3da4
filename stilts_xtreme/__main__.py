"""The Hydra application: ``python -m stilts_xtreme +intermediate=mnli +target=xnli``."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from stilts_xtreme.commands import flags, summary
from stilts_xtreme.core import compose, streams, terminal
from stilts_xtreme.core.conf import conf_dir
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.sweep import objective
from stilts_xtreme.sweep.session import Session, bind


def application(session: Session) -> Callable[[Any], float | None]:
    """The task function that Hydra runs for every cell.

    It is a function of its own for each command, as Hydra hands it to launchers and sweepers: the session goes with it.

    Args:
        session: Takes what the cells come to.
    """

    def task(cfg: Any) -> float | None:
        from hydra.core.hydra_config import HydraConfig
        from hydra.types import RunMode
        from omegaconf import OmegaConf

        from stilts_xtreme.cell.config import make_cell
        from stilts_xtreme.cell.config.phases import passed_over
        from stilts_xtreme.cell.run import run

        hydra = HydraConfig.get()
        many = hydra.mode == RunMode.MULTIRUN
        plain: dict[str, Any] = OmegaConf.to_container(cfg, resolve=True)  # type: ignore[assignment]
        compose.located(plain, compose.folders_of(hydra))
        try:
            if plain.get("study") and not many:
                raise StiltsError(f"study={plain['study']['name']} is a sweep of many cells; add -m to the command.")
            searches = many and objective.optimises(hydra)
            if many and plain["store"]["weights"] == "needed":
                raise StiltsError(
                    "store.weights=needed is refused: this launcher of Hydra's own runs each cell by itself, and does "
                    "not know what other cells start from; leave hydra/launcher as it is, or use "
                    "python -m stilts_xtreme.store thin afterwards."
                )
            if searches:
                objective.check(make_cell(plain), plain["sweep"]["objective"])
            for sentence in () if many else passed_over(plain, hydra.overrides.task):
                terminal.say(f"warning: {sentence}")
            result = run(plain)
            told = session.told(plain, result, hydra.overrides.task) if searches else None
        except StiltsError as error:
            if session.away:
                raise  # only the exception reaches the launcher
            session.fail(error)
            return None
        session.output = plain["output"]
        if many:
            session.ran(plain, result)
        return told

    bind(task, session)
    return task


def main() -> int:
    """Runs the command line; a user's error ends in one sentence and exit code 1."""
    with streams.outliving_terminal(), streams.steady(stop=False) as output:
        session = Session()
        try:
            code = _main(session)
        except SystemExit as end:  # Hydra's, after a page of help
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        sys.stdout.flush()
        if output.failure is None or (output.gone and session.output):  # a training goes on without its terminal
            return code
        if output.failure.errno == errno.EPIPE:
            return code or 128 + signal.SIGPIPE
        made = f"everything that was made is below {session.output}" if session.output else "send it elsewhere"
        terminal.error(output.sentence(made))
        return code or 1


def _main(session: Session) -> int:
    terminal.prepare()
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    before = os.environ.get("HYDRA_FULL_ERROR")
    wants_trace = before == "1"
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra hands exceptions on instead of printing them
    try:
        import hydra

        if any(argument.startswith("-") for argument in sys.argv[1:]):
            sys.argv[1:] = flags.ordered(sys.argv[1:])
        if (page := flags.answer(sys.argv[1:])) is not None:
            sys.stdout.write(page)
            return 0
        sys.argv = [sys.argv[0], *compose.prepare(sys.argv[1:])]
        task = application(session)
        try:
            hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="config")(task)()
        except StiltsError as error:  # a failed job, as a sweeper hands it on; the others have results
            if not session.results or wants_trace:
                raise
            session.fail(error)
        session.run_controls()
        summary.report(session)
    except KeyboardInterrupt:
        print("interrupted: the same command continues from the last checkpoint", file=sys.stderr)
        return 130
    except Exception as error:
        known = compose.sentence(error)
        if known is None or wants_trace:
            raise
        session.fail(known)
    finally:
        if before is None:
            del os.environ["HYDRA_FULL_ERROR"]
        else:
            os.environ["HYDRA_FULL_ERROR"] = before
    return 1 if session.errors else 0


if __name__ == "__main__":
    sys.exit(main())

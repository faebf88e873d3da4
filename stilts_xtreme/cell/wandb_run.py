"""One run of W&B: of a stage while it trains, of a cell, or of a sweep's report."""

from __future__ import annotations

import logging
import shlex
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from stilts_xtreme.cell.wandb_settings import ONE_RUN, OPTIONS, PROJECT, mode_of, own_settings, quiet
from stilts_xtreme.core.text import without_password
from stilts_xtreme.report.runs import CELL, MATRIX, Run, artifact


class WandbRun:
    """A run of W&B. Where W&B's server does not take it, it goes on offline.

    A run with the id of an earlier one continues it. Online, W&B says which steps it has. Offline, the run is
    written whole again, and takes the place of what the earlier attempt left on the disk.

    Args:
        options: The checked group ``logger``.
        root: The output folder; W&B's own ``WANDB_DIR`` wins over it.
        run: The run.
        group: What runs are grouped by.
        say: Told when the server does not take the run.
        falls_back: Whether a run that the server does not take goes on offline.

    Raises:
        wandb.errors.Error: W&B refuses it also offline, or nothing else is asked for.
        StiltsError: For an online run without a login.
    """

    def __init__(
        self,
        options: Mapping[str, Any],
        root: Path,
        run: Run,
        group: str,
        say: Callable[[str], None],
        falls_back: bool = True,
    ) -> None:
        import wandb

        self.say = say
        self.mode, _ = mode_of(options)
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # W&B's figures about itself
        root.mkdir(parents=True, exist_ok=True)
        try:
            self.run = _begin(options, root, run, group, self.mode)
        except (wandb.errors.Error, TimeoutError) as error:
            if not falls_back or self.mode in ("offline", "dryrun", "disabled"):
                raise
            # W&B's service holds on to the id of a run that did not begin
            wandb.teardown()
            self.mode = "offline"
            self.run = _begin(options, root, run, group, self.mode)
            why = f"the server does not take the run {run.name} ({short(error)})"
            say(f"W&B: {why}, so it stays offline; {self.remedy}")
        if self.mode in ("offline", "dryrun"):
            own = Path(self.run.settings.sync_dir)
            for left in own.parent.glob(f"offline-run-*-{self.run.id}"):
                if left != own:
                    shutil.rmtree(left, ignore_errors=True)

    @property
    def remedy(self) -> str:
        """How an offline run is uploaded."""
        return f"this uploads it: wandb sync {shlex.quote(self.run.settings.sync_dir)}"

    def point(self, step: int, values: Mapping[str, float]) -> None:
        """Logs numbers of a step; what the server has of an earlier attempt is not sent again."""
        if step >= self.run.starting_step:
            self.run.log(dict(values), step=step)

    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Logs a table: that of a cell once, since it stays as it is; the matrix of a sweep may have grown."""
        import wandb

        if rows and not (self.run.resumed and name in self.run.summary and name != MATRIX[0]):
            self.run.log({name: wandb.Table(columns=list(columns), data=[list(row) for row in rows])})

    def picture(self, path: Path) -> None:
        """Logs the picture of the matrix."""
        import wandb

        self.run.log({MATRIX[1]: wandb.Image(str(path))})

    def lineage(self, run: Run, folder_of: Callable[[str], Path]) -> None:
        """Names the stages that a run uses and gives, by artifacts that refer to their folders; no file is uploaded.

        Args:
            run: The run.
            folder_of: The folder of a stage.
        """
        if run.gives:
            self.run.log_artifact(_reference(run.gives, folder_of(run.gives)))
        for key in (key for key in run.uses if folder_of(key).is_dir()):  # others have been removed since
            # the public run.use_artifact waits for the server without an end, and refuses an offline run
            self.run._log_artifact(_reference(key, folder_of(key)), is_user_created=True, use_after_commit=True)

    def end(self, run: Run | None, failed: bool) -> None:
        """Ends the run; what cannot be uploaded in time stays on the disk.

        Args:
            run: What is known of it in the end; None where it failed.
            failed: Whether it failed.
        """
        if run is not None:
            self.run.config.update(_plain(run.config), allow_val_change=True)
            self.run.summary.update(run.summary)
        folder = self.run.settings.sync_dir
        try:
            self.run.finish(exit_code=1 if failed else 0)
        except TimeoutError:
            self.say(
                "W&B: not everything could be uploaded in time; this uploads the rest: wandb sync "
                f"{shlex.quote(folder)}"
            )


def _begin(options: Mapping[str, Any], root: Path, run: Run, group: str, mode: str) -> Any:
    import wandb

    settings, given = own_settings()
    if run.job_type != CELL:
        given -= set(ONE_RUN)
    own = {field: options[option] for option, field in OPTIONS.items() if options.get(option) is not None}
    ours: dict[str, Any] = {"project": PROJECT, "run_group": group, "run_name": run.name, "run_job_type": run.job_type}
    ours["root_dir"] = str(root)
    if not given & {"sweep_id", "resume_from", "fork_from"}:
        ours |= {"run_id": run.id, "resume": "allow"}
    found = {**{field: value for field, value in ours.items() if field not in given}, **own}
    words = own.get("run_tags", settings.run_tags if "run_tags" in given else ()) or ()
    found |= {"run_tags": tuple(sorted({*run.tags, *words})), "mode": mode}
    return wandb.init(
        config=_plain(run.config),
        # one run after another, whatever else this process has logged or will log
        reinit="finish_previous",
        settings=wandb.Settings(**quiet(given), **found),
    )


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration of JSON's own types."""

    def of(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {str(name): of(each) for name, each in value.items()}
        return [of(each) for each in value] if isinstance(value, list | tuple) else value

    return {name: of(value) for name, value in values.items()}


def _reference(key: str, folder: Path) -> Any:
    import wandb

    found = wandb.Artifact(artifact(key), type="stage", metadata={"stage": key, "folder": str(folder.absolute())})
    found.add_reference(folder.absolute().as_uri(), checksum=False)  # the manifest has the digests
    return found


def short(error: BaseException) -> str:
    """An error of somebody else's in a line, without the password of an address."""
    return without_password(" ".join(str(error).split()))[:200].rstrip(".") or type(error).__name__

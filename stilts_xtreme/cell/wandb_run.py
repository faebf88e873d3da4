"""One W&B run for one cell: what the options say, else what W&B's own settings say, else names of our own.

W&B reads its settings from its settings files, the environment (``WANDB_PROJECT`` and the like) and ``~/.netrc``. What
the user has set there is never passed over; only an option of the group ``logger`` wins over it.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shlex
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from stilts_xtreme.core.checks import check, choice
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.paths import home

OPTIONS = {"project": "project", "entity": "entity", "group": "run_group", "mode": "mode", "tags": "run_tags"}
"""Option of the group ``logger`` -> its name among W&B's settings."""

MODES = ("auto", "online", "offline", "disabled")
PROJECT = "stilts_xtreme"
LONGEST_NAME = 128
LONGEST_TAG = 64
RESERVED = "/\\#?%:"
INIT_SECONDS = 15.0
"""How long W&B's server may take to answer before the run goes on offline; W&B's own default is 90."""
FINISH_SECONDS = 300.0
"""How long the end of a run may take; what is not uploaded by then stays on the disk. W&B's own default has no end."""


def checked_options(values: Mapping[str, Any]) -> dict[str, Any]:
    """The options of ``logger=wandb``, without a look at W&B's own settings.

    Args:
        values: The group ``logger``, plain.

    Returns:
        The group, numbers among names and tags as texts.

    Raises:
        StiltsError: For a value that W&B would refuse.
    """
    found = dict(values)
    for name in ("project", "entity", "group"):
        if found.get(name) is not None:
            found[name] = _text(found[name])
            _check_name(f"logger.{name}", found[name], "" if name == "group" else RESERVED)
    if found.get("mode") is not None:
        choice("logger.mode", found["mode"], MODES)
    tags = found.get("tags")
    if tags is not None:
        rule = f"it must be a list of texts of 1 to {LONGEST_TAG} characters, such as logger.tags=[first,second]"
        check(isinstance(tags, list), "logger.tags", tags, rule)
        found["tags"] = [_text(tag) for tag in tags]
        for tag in found["tags"]:
            check(isinstance(tag, str) and 0 < len(tag) <= LONGEST_TAG, "logger.tags", tags, rule)
    return found


def _text(value: object) -> object:
    """A number as a text, since ``logger.tags=[2026]`` means the word."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _check_name(option: str, value: object, reserved: str) -> None:
    without = f", without {' '.join(reserved)}" if reserved else ""
    good = isinstance(value, str) and 0 < len(value) <= LONGEST_NAME and not set(reserved) & set(value)
    shown = value if len(str(value)) <= LONGEST_NAME else f"{str(value)[:40]}..."
    check(good, option, shown, f"W&B wants a text of 1 to {LONGEST_NAME} characters{without}")


def check_settings(options: Mapping[str, Any], cells: int = 1) -> None:
    """Refuses, before anything is trained, what W&B's settings files and environment variables have that it refuses.

    Args:
        options: The checked group ``logger``.
        cells: How many cells are logged with them; W&B's settings hold for all of them.

    Raises:
        StiltsError: Names the variable or the file, the value and the reason; or says that online runs need a login.
    """
    from wandb import Settings

    for name, value in os.environ.items():
        if name.startswith("WANDB_"):
            _refuse(name, value, partial(Settings().update_from_env_vars, {name: value}))
    settings = Settings()
    folder = os.environ.get("WANDB_CONFIG_DIR") or "~/.config/wandb"
    settings.settings_system = str(home(folder) / "settings")
    files = settings.read_system_settings()
    for name, value in files.all().items():
        if name not in ("anonymous", "root_dir", "settings_system"):  # W&B says itself that it passes over these
            given: Any = value.split(",") if name == "ignore_globs" else value
            place = " or ".join(map(str, files.sources))
            _refuse(f"{place}: {name}", value, partial(Settings, **{name: given}))
    known, given_names = _own_settings()
    for option, field, reserved in (
        ("WANDB_PROJECT", "project", RESERVED),
        ("WANDB_ENTITY", "entity", RESERVED),
        ("WANDB_RUN_GROUP", "run_group", ""),
        ("WANDB_NAME", "run_name", ""),
    ):
        if field in given_names:
            _check_name(option, getattr(known, field), reserved)
    if cells > 1 and "run_id" in given_names:
        raise StiltsError(
            f"WANDB_RUN_ID={known.run_id} is refused in a sweep: its {cells} cells would be one run; without it, every "
            "cell has an id of its own."
        )
    _mode(options)


def _refuse(option: str, value: str, apply: Callable[[], object]) -> None:
    """Turns W&B's refusal of a setting into one sentence, without the value of a secret."""
    from pydantic import ValidationError
    from wandb.errors import Error

    try:
        apply()
    except (ValidationError, Error, ValueError) as error:
        reasons = [entry["msg"] for entry in error.errors()] if isinstance(error, ValidationError) else [str(error)]
        secret = any(word in option.upper() for word in ("KEY", "TOKEN"))
        shown = "..." if secret else value
        reason = " ".join("; ".join(reasons).split()).removeprefix("Value error, ").rstrip(".")
        raise StiltsError(f"{option}={shown} is refused by W&B: {reason}.") from None


def _own_settings() -> tuple[Any, set[str]]:
    """W&B's settings, and the names of those that somebody has given."""
    import wandb

    settings = wandb.setup().settings
    return settings, {name for name in settings.model_fields_set if getattr(settings, name) not in (None, "", ())}


def _quiet(given: set[str]) -> dict[str, Any]:
    """How W&B runs beside a training, unless the user's own settings say otherwise."""
    ours = {
        **{"silent": True, "console": "off", "disable_git": True, "save_code": False},
        **{"init_timeout": INIT_SECONDS, "finish_timeout": FINISH_SECONDS, "finish_timeout_raises": True},
    }
    return {name: value for name, value in ours.items() if name not in given}


def _mode(options: Mapping[str, Any]) -> tuple[str, str]:
    """The mode of a run, and why it is offline, in words; empty where somebody has said so.

    Raises:
        StiltsError: For an online run without a login, or a key that cannot be one.
    """
    import wandb

    settings, given = _own_settings()
    asked = options.get("mode") if options.get("mode") != "auto" else None
    mode = asked or (settings.mode if "mode" in given else None)
    if mode in ("offline", "dryrun", "disabled"):
        return str(mode), ""
    wandb.setup(settings=wandb.Settings(silent=True) if "silent" not in given else None)
    try:
        # beside a run of the user's own, wandb.login answers nothing
        login = wandb.run.settings.mode == "online" if wandb.run else wandb.login(prompt=False, verify=False)
    except wandb.errors.Error as error:
        raise StiltsError(
            f"The login of W&B is refused: {' '.join(str(error).split()).rstrip('.')}; mend it, or give "
            "logger.mode=offline, which needs none."
        ) from None
    if login:
        return str(mode or "online"), ""
    if mode is not None:
        said = f"logger.mode={mode}" if asked else f"WANDB_MODE={mode}"
        raise StiltsError(
            f"{said} needs a login for {settings.base_url}, and there is none: run 'wandb login', set WANDB_API_KEY, "
            "or give logger.mode=offline."
        )
    return "offline", f"no login for {settings.base_url} is found ('wandb login' or WANDB_API_KEY gives one)"


def announce(options: Mapping[str, Any], say: Callable[[str], None]) -> None:
    """Says once for a whole sweep that its runs stay offline, where nobody has asked for it."""
    mode, reason = _mode(options)
    if reason:
        say(f"W&B: {reason}, so the runs stay {mode}; 'wandb sync FOLDER' uploads one, as the log of each cell says.")


def run_id(cell: str) -> str:
    """The id of a cell's run: the same one whenever the cell is run, so that W&B takes it for one run."""
    return hashlib.sha256(cell.encode()).hexdigest()[:16]


def start(
    options: Mapping[str, Any],
    folder: Path,
    name: str,
    group: str,
    job_type: str,
    tags: list[str],
    config: Mapping[str, Any],
    say: Callable[[str], None],
) -> Any:
    """Starts the run of a cell; where W&B's server does not answer, it goes on offline.

    Args:
        options: The checked group ``logger``.
        folder: The cell's folder.
        name: The cell's name.
        group: What cells are compared by.
        job_type: ``baseline``, ``intermediate`` or ``cell``.
        tags: Words to find the run by, beside the user's.
        config: The composed configuration, plain.
        say: Told where the run is.

    Returns:
        The run of W&B.

    Raises:
        StiltsError: W&B refuses a setting or the login.
    """
    import wandb

    mode, reason = _mode(options)
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # W&B's figures about itself, which it may not reach
    folder.mkdir(parents=True, exist_ok=True)

    def begin(mode: str) -> Any:
        settings, given = _own_settings()
        own = {field: options[option] for option, field in OPTIONS.items() if options.get(option) is not None}
        # names longer than W&B takes keep their end, which tells cells apart
        shown = name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 12]}...{name[-9:]}"
        ours: dict[str, Any] = {"project": PROJECT, "run_group": group, "run_name": shown, "run_job_type": job_type}
        ours["root_dir"] = str(folder)
        if not given & {"sweep_id", "resume_from", "fork_from"}:
            ours |= {"run_id": run_id(name), "resume": "allow"}
        found = {**{field: value for field, value in ours.items() if field not in given}, **own}
        words = own.get("run_tags", settings.run_tags if "run_tags" in given else ()) or ()
        cut = [tag if len(tag) <= LONGEST_TAG else f"{tag[: LONGEST_TAG - 3]}..." for tag in tags]
        found |= {"run_tags": tuple(sorted({*cut, *words})), "mode": mode}
        return wandb.init(
            config=dict(config),
            # one run per cell, whatever else this process has logged or will log
            reinit="finish_previous",
            settings=wandb.Settings(**_quiet(given), **found),
        )

    try:
        run = begin(mode)
    except wandb.errors.AuthenticationError as error:
        raise _refused(mode, error) from error
    except (wandb.errors.CommError, TimeoutError) as error:
        # W&B's service holds on to the id of a run that did not begin
        wandb.teardown()
        mode, reason = "offline", f"the server does not take the run ({_short(error)})"
        run = begin(mode)
    except wandb.errors.Error as error:
        raise _refused(mode, error) from error
    if mode in ("offline", "dryrun"):
        because = f"{reason}, so this run stays offline" if reason else "this run stays offline"
        say(f"W&B: {because}; this uploads it: wandb sync {shlex.quote(run.settings.sync_dir)}")
    elif mode != "disabled":
        say(f"W&B: {run.url}")
    return run


def finish(run: Any, failed: bool, say: Callable[[str], None]) -> None:
    """Ends a run; what cannot be uploaded in time stays on the disk."""
    folder = run.settings.sync_dir
    try:
        run.finish(exit_code=1 if failed else 0)
    except TimeoutError:
        say(f"W&B: not everything could be uploaded in time; this uploads the rest: wandb sync {shlex.quote(folder)}")


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200].rstrip(".")


def _refused(mode: str, error: Exception) -> StiltsError:
    return StiltsError(f"W&B refuses the run with mode {mode} ({_short(error)}); logger.mode=offline needs no login.")

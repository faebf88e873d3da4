"""The settings of W&B: what the options say, else what W&B's own settings say, else names of our own.

W&B reads its settings from its settings files, the environment (``WANDB_PROJECT`` and the like) and ``~/.netrc``. What
the user has set there is never passed over; only an option of the group ``logger`` wins over it.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from stilts_xtreme.core.checks import check, choice
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.paths import home
from stilts_xtreme.core.text import without_password
from stilts_xtreme.report.runs import LONGEST_NAME, LONGEST_TAG

OPTIONS = {"project": "project", "entity": "entity", "group": "run_group", "mode": "mode", "tags": "run_tags"}
"""Option of the group ``logger`` -> its name among W&B's settings."""

ONE_RUN = ("run_id", "run_name")
"""Settings of W&B that are of one run: of that of the cell, not of those of its stages."""
MODES = ("auto", "online", "offline", "disabled")
PROJECT = "stilts_xtreme"
RESERVED = "/\\#?%:"
INIT_SECONDS = 15.0
"""How long W&B's server may take to answer before the run goes on offline; W&B's own default is 90."""
FINISH_SECONDS = 60.0
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
            check_name(f"logger.{name}", found[name])
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


def check_name(option: str, value: object) -> None:
    """Refuses a name that W&B would refuse.

    Args:
        option: What it names, which its end says: ``project``, ``entity``, ``group`` or ``name``.
        value: The name.

    Raises:
        StiltsError: Names the option and the rule.
    """
    reserved = RESERVED if option.lower().endswith(("project", "entity")) else ""
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
    known, given_names = own_settings()
    for option, field in (
        ("WANDB_PROJECT", "project"),
        ("WANDB_ENTITY", "entity"),
        ("WANDB_RUN_GROUP", "run_group"),
        ("WANDB_NAME", "run_name"),
    ):
        if field in given_names:
            check_name(option, getattr(known, field))
    if cells > 1 and "run_id" in given_names:
        raise StiltsError(
            f"WANDB_RUN_ID={known.run_id} is refused in a sweep: its {cells} cells would be one run; without it, every "
            "cell has an id of its own."
        )
    mode_of(options)


def _refuse(option: str, value: str, apply: Callable[[], object]) -> None:
    """Turns W&B's refusal of a setting into one sentence, without the value of a secret."""
    from pydantic import ValidationError
    from wandb.errors import Error

    try:
        apply()
    except (ValidationError, Error, ValueError) as error:
        reasons = [entry["msg"] for entry in error.errors()] if isinstance(error, ValidationError) else [str(error)]
        secret = any(word in option.upper() for word in ("KEY", "TOKEN"))
        shown = "..." if secret else without_password(value)
        reason = without_password(" ".join("; ".join(reasons).split())).removeprefix("Value error, ").rstrip(".")
        raise StiltsError(f"{option}={shown} is refused by W&B: {reason}.") from None


def own_settings() -> tuple[Any, set[str]]:
    """W&B's settings, and the names of those that somebody has given."""
    import wandb

    settings = wandb.setup().settings
    return settings, {name for name in settings.model_fields_set if getattr(settings, name) not in (None, "", ())}


def one_run_only() -> bool:
    """Whether W&B is told which run it is, so that there is no other.

    This is so in a sweep of W&B's own, in a job of W&B Launch, and where a run goes on from a step of another.
    """
    settings, _ = own_settings()
    return bool(settings.sweep_id or settings.launch or settings.resume_from or settings.fork_from)


def quiet(given: set[str]) -> dict[str, Any]:
    """How W&B runs beside a training, unless the user's own settings say otherwise."""
    ours = {
        **{"silent": True, "console": "off", "disable_git": True, "save_code": False},
        **{"init_timeout": INIT_SECONDS, "finish_timeout": FINISH_SECONDS, "finish_timeout_raises": True},
    }
    return {name: value for name, value in ours.items() if name not in given}


def mode_of(options: Mapping[str, Any]) -> tuple[str, str]:
    """The mode of a run, and why it is offline, in words; empty where somebody has said so.

    Raises:
        StiltsError: For an online run without a login, or a key that cannot be one.
    """
    import wandb

    settings, given = own_settings()
    if "silent" not in given:  # W&B looks at it once, before it has been told
        wandb.termsetup(wandb.setup(settings=wandb.Settings(silent=True)).settings, None)
    server = without_password(settings.base_url)
    asked = options.get("mode") if options.get("mode") != "auto" else None
    mode = asked or (settings.mode if "mode" in given else None)
    if mode in ("offline", "dryrun", "disabled"):
        return str(mode), ""
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
            f"{said} needs a login for {server}, and there is none: run 'wandb login', set WANDB_API_KEY, "
            "or give logger.mode=offline."
        )
    return (
        "offline",
        f"no login for {server} is found ('wandb login' or WANDB_API_KEY gives one)",
    )


def announce(options: Mapping[str, Any], group: str, output: Path, say: Callable[[str], None]) -> None:
    """Says in one sentence where the runs of a command are.

    Args:
        options: The checked group ``logger``.
        group: What the runs are grouped by.
        output: The output folder.
        say: Told.
    """
    mode, reason = mode_of(options)
    settings, given = own_settings()
    server = without_password(settings.base_url)
    if one_run_only() and mode != "disabled":
        say("W&B: its own settings name one run, which is the cell's; the curves of its stages are in its files.")
    if mode in ("offline", "dryrun"):
        root = Path(settings.root_dir) if "root_dir" in given else output
        because = f"{reason}, so the runs stay" if reason else "the runs stay"
        place = root.absolute() / "wandb"
        say(f"W&B: {because} offline in {place}; this uploads them: wandb sync {shlex.quote(str(place))}/offline-run-*")
    elif mode != "disabled":
        project = options.get("project") or (settings.project if "project" in given else PROJECT)
        grouped = options.get("group") or (settings.run_group if "run_group" in given else group)
        say(f"W&B: the runs are in the project {project} of {server}, in the group {grouped}.")

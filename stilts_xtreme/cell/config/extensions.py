"""What users add to the trainings of a cell: callbacks, loggers and options of Lightning's trainer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stilts_xtreme.core.checks import check, choice, refused, switch, whole
from stilts_xtreme.core.errors import unknown
from stilts_xtreme.core.specs import CallbackSpec

WATCHERS = (
    *("LearningRateMonitor", "DeviceStatsMonitor", "ThroughputMonitor", "ModelSummary", "RichModelSummary"),
    *("ProgressBar", "RichProgressBar", "TQDMProgressBar"),
)
"""Callbacks of Lightning's own that only watch."""

OWN = {
    "ModelCheckpoint": "a training writes its own checkpoints, every trainer.checkpoint_seconds",
    "OnExceptionCheckpoint": "a training writes its own checkpoints, every trainer.checkpoint_seconds",
    "EarlyStopping": "recipe.*.selection=best with recipe.*.patience stops by the score on dev rows",
    "GradientAccumulationScheduler": "the effective batch is recipe.*.batch_size",
    "BatchSizeFinder": "a batch is filled up to trainer.micro_batch_tokens, and made smaller when memory runs out",
    "LearningRateFinder": "several rates are a sweep, as in -m recipe.target.learning_rate=1e-5,2e-5",
}
"""Callbacks of Lightning's own that are refused, and what does it here."""

EXTRA = (
    *("profiler", "detect_anomaly", "deterministic", "benchmark", "log_every_n_steps"),
    *("enable_progress_bar", "enable_model_summary"),
)
"""Options of ``pl.Trainer`` that change no training."""

PROFILERS = ("simple", "advanced", "pytorch")
"""Profilers of Lightning by name."""

_STEPS = "a training has the steps of recipe.*.epochs or recipe.*.max_steps"
_ONE = "a cell is one process on one device; hydra.launcher.slots=N runs several cells at a time"
_DEV = "recipe.*.selection, eval_every and dev_rows say when dev rows are scored"
ELSEWHERE = {
    **dict.fromkeys(("devices", "strategy", "num_nodes", "sync_batchnorm", "use_distributed_sampler"), _ONE),
    "accelerator": "take trainer.accelerator",
    "precision": "take trainer.precision, which is part of the key",
    "accumulate_grad_batches": "take trainer.accumulation, or recipe.*.batch_size for another effective batch",
    **dict.fromkeys(("gradient_clip_val", "gradient_clip_algorithm"), "take recipe.*.max_grad_norm"),
    **dict.fromkeys(("max_epochs", "min_epochs", "max_steps", "min_steps", "max_time"), _STEPS),
    **dict.fromkeys(("limit_train_batches", "overfit_batches", "fast_dev_run"), f"{_STEPS}, on the rows of volume"),
    **dict.fromkeys(("limit_val_batches", "val_check_interval", "check_val_every_n_epoch"), _DEV),
    **dict.fromkeys(("num_sanity_val_steps", "limit_test_batches", "limit_predict_batches"), _DEV),
    "logger": "take logger=CHOICE, or logger._target_",
    "callbacks": "take callbacks=CHOICE, or callbacks.NAME._target_",
    "enable_checkpointing": "take trainer.checkpoint_seconds",
    "default_root_dir": "take output",
    **dict.fromkeys(("plugins", "barebones", "model_registry", "inference_mode"), "the training depends on it"),
    "reload_dataloaders_every_n_epochs": "a training is one stream of steps, which resumes where it was",
}
"""Option of ``pl.Trainer`` that is refused -> what does it here."""


def make_callbacks(values: Mapping[str, Any] | None) -> tuple[CallbackSpec, ...]:
    """The callbacks of the group ``callbacks``, sorted by name.

    Args:
        values: Name -> ``_target_``, what the callback is made with, and ``watches`` for one that changes nothing.

    Raises:
        StiltsError: For an entry without a ``_target_``, or a callback whose work is done elsewhere.
    """
    found = []
    for name, options in sorted((values or {}).items()):
        if options is None:  # taken away on the command line
            continue
        option = f"callbacks.{name}"
        check(isinstance(options, Mapping), option, options, "it needs a _target_, the callback's class")
        options = dict(options)
        target = checked_target(option, options)
        package, _, kind = target.rpartition(".")
        lightning = package.partition(".")[0] in ("pytorch_lightning", "lightning")
        if lightning and kind in OWN:
            raise refused(f"{option}._target_", target, OWN[kind])
        given = options.pop("watches", None)
        watches = switch(f"{option}.watches", given) if given is not None else lightning and kind in WATCHERS
        found.append(CallbackSpec(name, options, watches))
    return tuple(found)


def checked_target(option: str, values: Mapping[str, Any]) -> str:
    """The class that a mapping names.

    Raises:
        StiltsError: When it names none.
    """
    target = values.get("_target_")
    if not isinstance(target, str) or "." not in target:
        raise refused(f"{option}._target_", target, "it must be a class with its module")
    return target


def check_extra(values: Mapping[str, Any]) -> None:
    """Refuses options of ``pl.Trainer`` that would change a training or break its resuming.

    Raises:
        StiltsError: With the option that does it here.
    """
    for name, value in values.items():
        if name in ELSEWHERE:
            raise refused(f"trainer.extra.{name}", value, ELSEWHERE[name])
        if name not in EXTRA:
            raise unknown("option of trainer.extra", name, EXTRA)
        option = f"trainer.extra.{name}"
        if value is None:
            continue
        if name == "profiler":
            choice(option, value, PROFILERS)
        elif name == "log_every_n_steps":
            whole(option, value, 1)
        elif (name, value) != ("deterministic", "warn"):
            switch(option, value)

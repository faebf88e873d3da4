"""The time of a training step by kind of operation, padded and packed.

python -m benchmarks.profile [--head pairs|tagging|qa|choice] [--size mini|minilm|base] [--steps N]

The work is that of benchmarks.training, traced by torch's profiler, on one thread. Processor milliseconds of a step are
those that operations of torch take themselves, by the profiler's clock on the wall and scaled to the processor's;
"outside of torch" is the rest: Python, Lightning, reading batches.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from torch.profiler import ProfilerActivity, profile

from benchmarks import rounds as plumbing
from benchmarks.jobs import JOBS, PIECES, draw
from benchmarks.models import SIZES, checkpoint
from benchmarks.training import OURS, Work, ours

KINDS = {
    "matrix products": ("addmm", "mm", "bmm", "baddbmm"),
    "attention": ("flash_attention", "scaled_dot_product", "softmax"),
    "embedding": ("embedding",),
    "AdamW": ("_fused_adamw",),
    "norm of the gradient": ("linalg_vector_norm", "_foreach_norm", "_foreach_mul", "mul_", "stack"),
    "GELU, layer norms": ("gelu", "native_layer_norm"),
    "zeroing, adding up": ("zero_", "fill_", "add_", "add", "sum"),
    "moving": ("copy_", "index_select", "index", "index_fill", "cat", "gather"),
}
"""Kind -> what names of its operations are, or begin with where they are longer."""
OTHER, OUTSIDE = "other operations", "outside of torch"


def kind_of(operation: str) -> str:
    """The kind of an operation such as ``aten::addmm``."""
    name = operation.removeprefix("aten::").lstrip("_")
    for kind, names in KINDS.items():
        for own in names:
            own = own.lstrip("_")
            if name == own or (len(own) > 3 and name.startswith(own)):
                return kind
    return OTHER


class Traced(plumbing.Clock):
    """A clock beside which operations are recorded."""

    def __enter__(self) -> Traced:
        self.trace = profile(activities=[ProfilerActivity.CPU])
        self.trace.__enter__()
        super().__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self.trace.__exit__(None, None, None)


def traced(clock: plumbing.Clock, work: plumbing.Way, steps: int) -> Mapping[str, Any]:
    """Processor milliseconds of a step by kind."""
    own = Traced()
    work(own)
    clock.cpu, clock.wall, clock.foreign = own.cpu, own.wall, own.foreign
    spent: Counter[str] = Counter(dict.fromkeys((*KINDS, OTHER), 0.0))
    share = min(1.0, own.cpu / own.wall)  # the profiler's clock is on the wall
    for event in own.trace.key_averages():
        if event.key.startswith("aten::"):
            spent[kind_of(event.key)] += share * event.self_cpu_time_total / 1e3 / steps
    spent[OUTSIDE] = max(0.0, 1e3 * clock.cpu / steps - sum(spent.values()))
    return {kind: round(value) for kind, value in spent.items()}


def measure(head: str, size: str, steps: int, rounds: int) -> dict[str, Any]:
    """Profiles both ways.

    Args:
        head: A key of :data:`JOBS`.
        size: A key of :data:`SIZES`.
        steps: Steps of each training.
        rounds: How often each is trained; the last one's profile is kept.
    """
    job = JOBS[head]
    pieces = np.arange(min(PIECES, SIZES[size][3]))
    features = draw(job, steps, len(pieces), job.longest)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        checkpoint(folder, size, job.model, job.labels)
        task = Work(folder, job, features, steps)
        runs: dict[str, plumbing.Way] = {
            way: partial(traced, work=partial(ours, work=task, pieces=pieces, packed=way == "packed"), steps=steps)
            for way in OURS
        }
        found = plumbing.turns(runs, rounds)
    settings = {"head": head, "size": size, "steps": steps, "rounds": rounds}
    return {"settings": settings, "work": {"real tokens": len(features.ids)}, "ways": found}


def main(arguments: list[str] | None = None) -> None:
    """The command."""
    parser = plumbing.parser("profile", __doc__ or "", rounds=1)
    parser.add_argument("--head", choices=JOBS, default="pairs", help="what is trained (%(default)s)")
    parser.add_argument("--size", choices=SIZES, default="minilm", help="of the encoder (%(default)s)")
    parser.add_argument("--steps", type=plumbing.at_least(1), default=8, help="of a training (%(default)s)")
    plumbing.run(parser, arguments, measure)


if __name__ == "__main__":
    main()

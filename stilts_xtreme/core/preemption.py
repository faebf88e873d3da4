"""Notice that a process will soon be ended, as a cluster gives it by a signal before it takes a node away."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Notice:
    """Ends the process in good time: a training after the step it is in, with a checkpoint, anything else at once.

    Attributes:
        leave: Ends the process; told whether a training keeps what it has done. None: nobody gives notice here.
        given: Whether notice was given.
    """

    def __init__(self) -> None:
        self.leave: Callable[[bool], None] | None = None
        self.given = False
        self.training = False

    def give(self, *_: object) -> None:
        """Gives notice; a handler of signals."""
        self.given = True
        if not self.training:
            self.heed()

    def heed(self) -> None:
        """Ends the process."""
        if self.leave is not None:
            self.leave(self.training)

    @contextmanager
    def after_the_step(self) -> Iterator[None]:
        """While the block runs, notice waits until the end of a step; what comes in the last one, until its end."""
        self.training = True
        try:
            yield
            if self.given:  # in the last step, which has no checkpoint: the steps since the last one are repeated
                self.heed()
        finally:
            self.training = False


NOTICE = Notice()
"""Of this process."""

"""Progress of a timing as warnings of the test that waits for it."""

from __future__ import annotations

import warnings

from cnnbench.execution.runner import Observer


class Telling(Observer):
    """Warns of what others do on this machine."""

    def waits(self, whom: str) -> None:
        warnings.warn(f"cnn_budget waits for {whom}, which measures here", stacklevel=2)

    def warns(self, message: str) -> None:
        warnings.warn(f"cnn_budget: {message}", stacklevel=2)

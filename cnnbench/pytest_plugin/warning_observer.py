"""Progress of a timing as warnings of a test.

Apart from the rest of the plugin, because the runner is heavy to import.
"""

from __future__ import annotations

import warnings

from cnnbench.execution.runner import Observer


class WarningObserver(Observer):
    """Warn when the test has to wait, and when its times may be distorted."""

    def waits(self, whom: str) -> None:
        warnings.warn(
            f"cnn_budget is waiting for {whom}, which is measuring on this machine", stacklevel=2
        )

    def warns(self, message: str) -> None:
        warnings.warn(f"cnn_budget: {message}", stacklevel=2)

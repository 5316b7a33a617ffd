"""A format of reports: the names of the networks, one a line."""

from collections.abc import Sequence

from cnnbench.results.tables import Run


def as_names(run: Run, metrics: Sequence[str] = (), width: int = 160) -> str:
    """Return the name of every network."""
    return "".join(f"{row.name}\n" for row in run.measured)

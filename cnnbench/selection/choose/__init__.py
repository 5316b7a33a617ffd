"""Choice of the best network within limits."""

from __future__ import annotations

from cnnbench.selection.choose.candidate import Candidate, Objective
from cnnbench.selection.choose.choice import Choice, choose

__all__ = ["Candidate", "Choice", "Objective", "choose"]

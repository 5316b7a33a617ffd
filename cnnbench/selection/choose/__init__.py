"""The choice of a network: what fits, what is best, how sure that is, and why not another."""

from __future__ import annotations

from cnnbench.selection.choose.candidate import Candidate, Objective
from cnnbench.selection.choose.choice import Choice, choose

__all__ = ["Candidate", "Choice", "Objective", "choose"]

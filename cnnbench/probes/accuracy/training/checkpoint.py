"""Checkpoints: the state of a training after an epoch, from which a killed job resumes."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cnnbench.files import replace_arrays


@dataclass
class State:
    """State of a training.

    Attributes:
        phase: number of the current phase, from 1.
        curve: one dictionary per epoch, over all phases.
        variables: of the model and the optimiser, in order.
        best: weights of the best epoch so far, if training may stop early.
        features_s: seconds that computing features took.
    """

    phase: int
    curve: list[dict[str, Any]]
    variables: list[Any]
    best: list[Any]
    features_s: float = 0.0


class Checkpoint:
    """File with the newest state of one job.

    Args:
        file: an ``.npz`` file.
        identity: of the job; a state of another job is ignored.
    """

    def __init__(self, file: Path, identity: str) -> None:
        self._file = file
        self._identity = identity

    def save(self, state: State) -> None:
        """Write ``state`` in one step: a killed process leaves either the old or the new state."""
        facts = {
            "identity": self._identity,
            "phase": state.phase,
            "curve": state.curve,
            "features_s": state.features_s,
        }
        arrays = _named("v", state.variables) | _named("b", state.best)
        facts_text = np.array(json.dumps(facts))
        replace_arrays(self._file, {"facts": facts_text, **arrays}, sync=True)

    def load(self) -> State | None:
        """Return the newest state of this job, or None."""
        try:
            with np.load(self._file) as stored:
                facts = json.loads(str(stored["facts"]))
                if facts["identity"] != self._identity:
                    return None
                return State(
                    facts["phase"],
                    facts["curve"],
                    _listed("v", stored),
                    _listed("b", stored),
                    facts["features_s"],
                )
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
            return None

    def remove(self) -> None:
        """Delete the file after the job is done."""
        self._file.unlink(missing_ok=True)


def _named(letter: str, arrays: Sequence[Any]) -> dict[str, Any]:
    return {f"{letter}{index}": np.asarray(array) for index, array in enumerate(arrays)}


def _listed(letter: str, stored: Any) -> list[Any]:
    count = sum(name.startswith(letter) for name in stored.files)
    return [stored[f"{letter}{index}"] for index in range(count)]

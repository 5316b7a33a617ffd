"""HOTA, MOTA, IDF1 and identity switches, by TrackEval's definitions.

- HOTA (arXiv:2009.07736): the geometric mean of detection and association accuracy, averaged over
  IoU thresholds .05:.05:.95.
- MOTA (CLEAR MOT, Bernardin and Stiefelhagen 2008): 1 - (misses + false boxes + switches) / true
  boxes at IoU 0.5. It can be negative.
- IDF1 (arXiv:1609.01775): the F1 of boxes with the right identity, each true identity being paired
  with one track over the whole sequence, at IoU 0.5.
- An identity switch: a true object is matched with another track than when it was last matched.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from cnnbench.errors import Unavailable
from cnnbench.tasks.tracking.links import overlaps
from cnnbench.tasks.tracking.tracker import Tracks

_COUNTS = {
    "misses": ("clear", "CLR_FN"),
    "false_boxes": ("clear", "CLR_FP"),
    "fragmentations": ("clear", "Frag"),
    "mostly_tracked": ("clear", "MT"),
    "partly_tracked": ("clear", "PT"),
    "mostly_lost": ("clear", "ML"),
}
_SHARES = {
    "recall": ("clear", "CLR_Re"),
    "precision": ("clear", "CLR_Pr"),
    "motp": ("clear", "MOTP"),
    "idp": ("identity", "IDP"),
    "idr": ("identity", "IDR"),
}


@dataclass(frozen=True)
class Scores:
    """Scores of one sequence, or of several as one.

    Attributes:
        found: TrackEval's fields of ``hota``, ``clear`` and ``identity``.
    """

    found: Mapping[str, Mapping[str, Any]]

    @property
    def metrics(self) -> dict[str, float]:
        """``hota``, ``mota``, ``idf1`` and ``id_switches``."""
        return {
            "hota": float(np.mean(self.found["hota"]["HOTA"])),
            "mota": float(self.found["clear"]["MOTA"]),
            "idf1": float(self.found["identity"]["IDF1"]),
            "id_switches": float(self.found["clear"]["IDSW"]),
        }

    @property
    def parts(self) -> dict[str, float]:
        """The parts of the metrics: counts of boxes and objects, shares, ``deta``, ``assa``.

        ``motp`` is the mean IoU of matched boxes; an object is mostly tracked in over 80 % of its
        frames, and mostly lost if tracked in under 20 %.
        """
        named = _COUNTS | _SHARES
        values = {name: float(self.found[of][field]) for name, (of, field) in named.items()}
        of_hota = {"deta": "DetA", "assa": "AssA"}
        return values | {x: float(np.mean(self.found["hota"][y])) for x, y in of_hota.items()}


def evaluate(truth: Sequence[Tracks], tracks: Sequence[Tracks]) -> Scores:
    """Return the scores of the tracks of one sequence.

    Args:
        truth: the true objects of each frame; classes are not compared.
        tracks: those of a tracker, in the same unit; a missing frame has none.

    Raises:
        Unavailable: TrackEval is not installed.
        ValueError: an id occurs twice in a frame, or there are more frames than in ``truth``.
    """
    if len(tracks) > len(truth):
        raise ValueError(f"tracks of {len(tracks)} frames, but truth of {len(truth)}")
    tracks = [*tracks, *(Tracks() for _ in range(len(truth) - len(tracks)))]
    true_ids, true_count = _numbered(truth)
    ids, count = _numbered(tracks)
    data = {
        "num_timesteps": len(truth),
        "num_gt_ids": true_count,
        "num_tracker_ids": count,
        "num_gt_dets": sum(map(len, truth)),
        "num_tracker_dets": sum(map(len, tracks)),
        "gt_ids": true_ids,
        "tracker_ids": ids,
        "similarity_scores": [
            overlaps(one.boxes, other.boxes) for one, other in zip(truth, tracks, strict=True)
        ],
    }
    return Scores({name: one.eval_sequence(data) for name, one in evaluators().items()})


def combined(scores: Sequence[Scores]) -> Scores:
    """Return the scores of several sequences as TrackEval combines them: of all their boxes."""
    return Scores(
        {
            name: one.combine_sequences({str(i): each.found[name] for i, each in enumerate(scores)})
            for name, one in evaluators().items()
        }
    )


def _trackeval() -> Any:
    from trackeval import metrics

    return metrics


@cache
def evaluators(load: Callable[[], Any] = _trackeval) -> Mapping[str, Any]:
    """Return TrackEval's evaluators by the names of `Scores.found`.

    Args:
        load: imports and returns its module ``metrics``.

    Raises:
        Unavailable: TrackEval is not installed.
    """
    try:
        metrics = load()
    except ImportError as error:
        raise Unavailable(
            f"the scores of tracks need TrackEval, which cannot be imported ({error}): "
            "pip install 'cnnbench[tracking]'"
        ) from error
    quiet = {"THRESHOLD": 0.5, "PRINT_CONFIG": False}
    return {
        "hota": metrics.HOTA(),
        "clear": metrics.CLEAR(quiet),
        "identity": metrics.Identity(quiet),
    }


def _numbered(frames: Sequence[Tracks]) -> tuple[list[Any], int]:
    """Return the ids of each frame numbered from 0 without gaps, and their number."""
    for number, one in enumerate(frames, 1):
        if len(np.unique(one.ids)) < len(one):
            raise ValueError(f"an id occurs twice in frame {number}")
    known = np.unique(np.concatenate([np.zeros(0, np.int64), *(one.ids for one in frames)]))
    return [np.searchsorted(known, one.ids) for one in frames], len(known)

"""Kalman filters of boxes that move at constant velocity, for all tracks of a sequence at once.

Centre, height and width are each filtered on their own: no noise couples them, so a filter has two
states, a place and its velocity, and no matrix needs to be inverted. Standard deviations are in
proportion to the box's own height and width, so that the unit of boxes does not matter: 1/20 of a
place and 1/160 of a velocity, after DeepSORT (arXiv:1703.07402) and, with height and width instead
of aspect ratio and height, BoT-SORT (arXiv:2206.14651). SORT (arXiv:1602.00763) filters area and
aspect ratio, with noise in px.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_PLACE, _VELOCITY = 1 / 20, 1 / 160  # standard deviations, in heights and widths
_FIRST_PLACE, _FIRST_VELOCITY = 2 * _PLACE, 10 * _VELOCITY
_SMALLEST = 1e-6  # height and width stay positive


class BoxFilters:
    """The filters of all tracks, a row each; boxes are ``(m, 4)``: top, left, bottom, right."""

    def __init__(self) -> None:
        self._places, self._velocities = np.zeros((2, 0, 4))  # centre y, centre x, height, width
        # Variance of the place, covariance with the velocity, variance of the velocity.
        self._pp, self._pv, self._vv = np.zeros((3, 0, 4))

    def __len__(self) -> int:
        return len(self._places)

    @property
    def boxes(self) -> Floats:
        """The estimated boxes: after `predict` those expected in the frame."""
        centres, half = self._places[:, :2], self._places[:, 2:] / 2
        return np.concatenate([centres - half, centres + half], axis=1)

    def add(self, boxes: Floats) -> None:
        """Begin filters at measured boxes, at rest; their rows are the last."""
        measured = _measured(boxes)
        sizes = _sizes(measured)
        self._places = np.concatenate([self._places, measured])
        self._velocities = np.concatenate([self._velocities, np.zeros_like(measured)])
        self._pp = np.concatenate([self._pp, (_FIRST_PLACE * sizes) ** 2])
        self._pv = np.concatenate([self._pv, np.zeros_like(measured)])
        self._vv = np.concatenate([self._vv, (_FIRST_VELOCITY * sizes) ** 2])

    def predict(self, is_lost: npt.NDArray[np.bool_]) -> None:
        """Move every box by one frame; boxes that were not measured last keep their size."""
        self._velocities[is_lost, 2:] = 0.0
        sizes = _sizes(self._places)
        self._places = self._places + self._velocities
        np.maximum(self._places[:, 2:], _SMALLEST, out=self._places[:, 2:])
        self._pp = self._pp + 2 * self._pv + self._vv + (_PLACE * sizes) ** 2
        self._pv = self._pv + self._vv
        self._vv = self._vv + (_VELOCITY * sizes) ** 2

    def update(self, rows: Ints, boxes: Floats) -> None:
        """Correct some of the filters by measured boxes, one for each row."""
        places, pp, pv = self._places[rows], self._pp[rows], self._pv[rows]
        total = pp + (_PLACE * _sizes(places)) ** 2
        gain, gain_of_velocity = pp / total, pv / total
        error = _measured(boxes) - places
        corrected = places + gain * error
        np.maximum(corrected[:, 2:], _SMALLEST, out=corrected[:, 2:])
        self._places[rows] = corrected
        self._velocities[rows] += gain_of_velocity * error
        self._vv[rows] -= gain_of_velocity * pv
        self._pp[rows] = (1 - gain) * pp
        self._pv[rows] = (1 - gain) * pv

    def keep(self, kept: npt.NDArray[np.bool_]) -> None:
        """Remove the other filters; the rest keep their order."""
        for name in ("_places", "_velocities", "_pp", "_pv", "_vv"):
            setattr(self, name, getattr(self, name)[kept])


def _measured(boxes: Floats) -> Floats:
    """Return centre y, centre x, height, width of boxes."""
    first, last = boxes[:, :2], boxes[:, 2:]
    sizes = np.maximum(last - first, _SMALLEST)
    return np.concatenate([(first + last) / 2, sizes], axis=1)


def _sizes(places: Floats) -> Floats:
    """Return what the noise of each of the four numbers is relative to: height, width, twice."""
    return np.tile(places[:, 2:], 2)

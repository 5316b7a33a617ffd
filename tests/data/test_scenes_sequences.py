"""Sequences of ``scenes``: motion, reflection, occlusion, identities."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from cnnbench.data.scenes import Recipe, generate, sequences
from cnnbench.data.scenes.generate import Draws, Garments, garments_of
from cnnbench.data.scenes.sequences import AxisMotion, Moving

PX = 1 << 16  # of places and velocities

# One garment that fills its picture, and one with a margin of 4 px: rows and columns 4 to 23.
PICTURES = np.zeros((2, 28, 28), np.uint8)
PICTURES[0] = 200
PICTURES[1, 4:24, 4:24] = 100
SQUARES = Garments(PICTURES, np.array([3, 8]))


def still(number: int, top: int, left: int, velocity: tuple[int, int] = (0, 0)) -> Moving:
    """Return a garment of 28 px that begins at a place, with a velocity in px, in 100 px."""
    down, along = (
        AxisMotion(start * PX, speed * PX, 72 * PX)
        for start, speed in zip((top, left), velocity, strict=True)
    )
    return Moving(number, 28, down, along)


def test_a_place_is_reflected_at_both_ends() -> None:
    forth = AxisMotion(0, 3 * PX, 10 * PX)
    assert [forth.at(frame) for frame in range(9)] == [0, 3, 6, 9, 8, 5, 2, 1, 4]
    back = AxisMotion(2 * PX, -3 * PX, 10 * PX)
    assert [back.at(frame) for frame in range(6)] == [2, 1, 4, 7, 10, 7]
    assert [AxisMotion(0, PX, 0).at(frame) for frame in range(3)] == [0, 0, 0]


def test_places_are_rounded_to_whole_pixels() -> None:
    slow = AxisMotion(0, PX * 2 // 5, 10 * PX)
    assert [slow.at(frame) for frame in range(6)] == [0, 0, 1, 1, 2, 2]


def test_a_box_moves_by_its_velocity_and_keeps_its_size() -> None:
    ground = np.zeros((100, 100), np.uint8)
    frames, objects = sequences.filmed(ground, [still(1, 10, 20, (2, 1))], SQUARES, 10)
    expected = [[14 + 2 * t, 24 + t, 34 + 2 * t, 44 + t] for t in range(10)]
    assert np.rint(objects.boxes[:, 0] * 100).tolist() == expected
    for frame, (top, left, bottom, right) in zip(frames, expected, strict=True):
        assert (frame[top:bottom, left:right] == 100).all()
        assert (frame > 0).sum() == 20 * 20


def test_visible_is_the_share_that_later_garments_leave() -> None:
    ground = np.zeros((100, 100), np.uint8)
    # The second covers half of the first; in frame 7 it has moved 14 px and touches it no more.
    moving = [still(0, 0, 0), still(0, 0, 14, (0, 2)), still(1, 60, 60)]
    frames, objects = sequences.filmed(ground, moving, SQUARES, 8)
    assert objects.visible is not None and objects.instances is not None
    assert objects.visible[:, 0].tolist() == pytest.approx([(14 + 2 * t) / 28 for t in range(8)])
    assert (objects.visible[:, 1:] == 1).all()
    # The box remains that of the whole garment.
    assert np.rint(objects.boxes[0, 0] * 100).tolist() == [0, 0, 28, 28]
    assert np.bincount(objects.instances[0].ravel()).tolist()[1:] == [28 * 14, 28 * 28, 20 * 20]
    assert frames[0, 0, 20] == 200


def test_a_garment_that_is_hidden_keeps_its_box_and_identity() -> None:
    moving = [still(1, 0, 0), still(0, 0, 0)]
    _, objects = sequences.filmed(np.zeros((100, 100), np.uint8), moving, SQUARES, 2)
    assert objects.visible is not None and objects.tracks is not None
    assert objects.visible.tolist() == [[0, 1]] * 2
    assert objects.counts.tolist() == [2, 2]
    assert objects.tracks.tolist() == [[0, 1]] * 2
    assert objects.labels.tolist() == [[8, 3]] * 2


def test_sequences_are_as_documented() -> None:
    counts = set()
    for index in range(12):
        frames, objects = sequences.make(2, index, garments_of("test"))
        assert frames.shape == (60, 112, 112) and frames.dtype == np.uint8
        count = objects.labels.shape[1]
        counts.add(count)
        assert objects.tracks is not None and objects.visible is not None
        assert (objects.tracks == np.arange(count)).all()
        assert (objects.labels == objects.labels[0]).all()
        assert objects.boxes.min() >= 0 and objects.boxes.max() <= 1
        corners = objects.boxes * 112
        sizes = np.rint(corners[..., 2:] - corners[..., :2])
        assert (sizes == sizes[0]).all() and sizes.max() <= 40
        # At most 2.5 px a frame, of which each place is rounded by half a pixel.
        assert np.linalg.norm(np.diff(corners[..., :2], axis=0), axis=2).max() < 2.5 + 2**0.5
        assert ((objects.visible >= 0) & (objects.visible <= 1)).all()
    assert counts == {3, 4, 5, 6}


def test_noise_changes_every_pixel_by_at_most_six() -> None:
    frames, objects = sequences.make(1, 4, garments_of("train"))
    assert objects.instances is not None
    # A pixel of the ground keeps its value but for the noise.
    is_ground = (objects.instances == 0).all(axis=0) & (frames.min(axis=0) > 0)
    values = frames[:, is_ground].astype(int)
    assert is_ground.sum() > 500
    assert np.ptp(values, axis=0).max() == 12
    bright = np.ptp(values, axis=0) == 12
    changes = (values - values.min(axis=0) - 6)[:, bright]
    assert np.bincount((changes + 6).ravel(), minlength=13).min() > 0


def test_speeds_and_directions_are_uniform() -> None:
    draws = Draws((3, 1), 1000)
    found = np.array([sequences._velocity(112, draws) for _ in range(4000)]) / PX
    speeds = np.linalg.norm(found, axis=1)
    assert 0.799 < speeds.min() < 0.82 and 2.48 < speeds.max() < 2.501
    assert abs((speeds < 1.65).mean() - 0.5) < 0.04
    angles = np.arctan2(found[:, 0], found[:, 1])
    shares = np.histogram(angles, bins=8, range=(-np.pi, np.pi))[0] / 4000
    assert np.abs(shares - 1 / 8).max() < 0.025
    larger = np.array([sequences._velocity(224, draws) for _ in range(200)]) / PX
    assert 1.6 < np.linalg.norm(larger, axis=1).min() < 1.8


def test_a_sequence_is_the_same_on_every_machine_and_needs_no_other() -> None:
    frames, objects = sequences.make(2, 3, garments_of("test"))
    assert hashlib.sha256(frames.tobytes()).hexdigest()[:16] == "94ecb6d0c2e4aad1"
    boxes = np.rint(objects.boxes * 112).astype("<i4")
    assert hashlib.sha256(boxes.tobytes()).hexdigest()[:16] == "0e3d22bbe5e25507"


def test_a_sequence_is_not_the_scene_of_its_index() -> None:
    first = sequences.make(2, 3, garments_of("test"), Recipe((3, 6), 112, (22, 40)), 1)[0][0]
    scene = generate.scene(Recipe((3, 6), 112, (22, 40)), garments_of("test"), 2, 3)
    assert np.abs(first.astype(int) - scene.image).max() > 30

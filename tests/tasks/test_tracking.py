"""Trackers on hand-made sequences, with values counted by hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pytest

from cnnbench.errors import UserError
from cnnbench.tasks.tracking import Detections, Tracks, resolve, track
from cnnbench.tasks.tracking.links import assigned, overlaps
from cnnbench.tasks.tracking.scores import Scores, evaluate

Box = tuple[float, float, float, float]
SIDE = 20.0


def square(x: float, y: float = 0.0, side: float = SIDE) -> Box:
    return (y, x, y + side, x + side)


def truth(*objects: Sequence[Box | None]) -> list[Tracks]:
    """Return the true objects of each frame from the box of each object in each frame."""
    frames = []
    for boxes in zip(*objects, strict=True):
        rows = [(number, box) for number, box in enumerate(boxes, 1) if box is not None]
        ids = np.array([number for number, _ in rows], np.int64)
        frames.append(Tracks(ids, np.array([box for _, box in rows]).reshape(-1, 4)))
    return frames


def detected(frames: Iterable[Tracks]) -> list[Detections]:
    return [Detections(one.boxes) for one in frames]


def scored(objects: Sequence[Tracks], found: Sequence[Tracks]) -> dict[str, float]:
    pytest.importorskip("trackeval", reason="needs the extra tracking")
    return evaluate(objects, found).metrics


def ids(found: Iterable[Tracks]) -> list[list[int]]:
    return [one.ids.tolist() for one in found]


PERFECT = {"hota": 1.0, "mota": 1.0, "idf1": 1.0, "id_switches": 0.0}


@pytest.mark.parametrize("tracker", ["sort[min_hits=1]", "bytetrack[min_hits=1]"])
def test_objects_that_cross_keep_their_identities(tracker: str) -> None:
    objects = truth(
        [square(4 * t) for t in range(21)], [square(80 - 4 * t, y=2) for t in range(21)]
    )
    found = track(detected(objects), tracker)
    assert ids(found) == [[1, 2]] * 21
    assert [one.boxes[0, 1] for one in found] == [4 * t for t in range(21)]
    assert scored(objects, found) == pytest.approx(PERFECT)


HIDDEN = truth([square(4 * t) for t in range(20)])
SEEN = [
    Detections(one.boxes if not 8 <= t < 13 else []) for t, one in enumerate(HIDDEN)
]  # hidden for five frames


@pytest.mark.parametrize("tracker", ["sort", "bytetrack"])
def test_a_hidden_object_is_remembered(tracker: str) -> None:
    found = track(SEEN, f"{tracker}[min_hits=1]")
    assert ids(found) == [[1]] * 8 + [[]] * 5 + [[1]] * 7
    # 5 misses of 20. Association of each of 15 matches: 15 of the 20 boxes of object or track.
    expected = {"mota": 0.75, "idf1": 15 / 17.5, "hota": 0.75, "id_switches": 0}
    assert scored(HIDDEN, found) == pytest.approx(expected)


@pytest.mark.parametrize("tracker", ["sort", "bytetrack"])
def test_a_forgotten_object_gets_a_new_identity(tracker: str) -> None:
    found = track(SEEN, f"{tracker}[min_hits=1,max_age=4]")
    assert ids(found) == [[1]] * 8 + [[]] * 5 + [[2]] * 7
    association = (8 * 8 / 20 + 7 * 7 / 20) / 15
    expected = {
        "mota": 1 - 6 / 20,
        "idf1": 8 / (8 + (7 + 12) / 2),
        "hota": (0.75 * association) ** 0.5,
        "id_switches": 1,
    }
    assert scored(HIDDEN, found) == pytest.approx(expected)
    just = track(SEEN, f"{tracker}[min_hits=1,max_age=5]")
    assert ids(just)[-1] == [1]


@pytest.mark.parametrize(("min_hits", "reported", "mota"), [(1, True, 0.9), (2, False, 1.0)])
def test_a_false_box_is_reported_unless_it_must_be_confirmed(
    min_hits: int, reported: bool, mota: float
) -> None:
    objects = truth([square(t) for t in range(10)])
    given = detected(objects)
    given[3] = Detections([*objects[3].boxes, square(300)])
    found = track(given, f"sort[min_hits={min_hits}]")
    assert (len(found[3]) == 2) == reported
    assert scored(objects, found)["mota"] == pytest.approx(mota)


def test_objects_of_the_first_frame_need_no_more_hits_and_later_ones_do() -> None:
    objects = truth([square(t) for t in range(8)], [None] * 4 + [square(90 + t) for t in range(4)])
    assert ids(track(detected(objects), "sort[min_hits=3]")) == [[1]] * 6 + [[1, 2]] * 2


def test_a_box_with_a_low_score_begins_no_track() -> None:
    given = [Detections([square(t), square(300)], [0.9, 0.15]) for t in range(5)]
    for tracker in ("sort[min_hits=1]", "bytetrack[min_hits=1]"):
        assert ids(track(given, tracker)) == [[1]] * 5
    lower = track(given, "sort[min_hits=1,score=0.1]")
    assert ids(lower) == [[1, 2]] * 5


def test_an_object_that_leaves_is_not_taken_for_one_that_comes() -> None:
    objects = truth(
        [square(90 + 5 * t) if t < 5 else None for t in range(12)],
        [square(5 * (t - 7)) if t >= 7 else None for t in range(12)],
    )
    found = track(detected(objects), "sort[min_hits=1]")
    assert ids(found) == [[1]] * 5 + [[]] * 2 + [[2]] * 5
    assert scored(objects, found) == pytest.approx(PERFECT)


def test_bytetrack_continues_a_track_by_a_box_with_a_low_score() -> None:
    objects = truth([square(2 * t) for t in range(10)])
    given = [Detections(one.boxes, [0.3 if 4 <= t < 7 else 0.9]) for t, one in enumerate(objects)]
    high_only = track(given, "sort[min_hits=1,score=0.5]")
    assert scored(objects, high_only)["mota"] == pytest.approx(0.7)
    both = track(given, "bytetrack[min_hits=1]")
    assert ids(both) == [[1]] * 10
    assert scored(objects, both) == pytest.approx(PERFECT)


def test_bytetrack_finds_no_lost_track_again_by_a_low_score() -> None:
    scores = [0.9, 0.9, None, 0.3, 0.9]
    given = [
        Detections([square(0)], [score]) if score is not None else Detections([])
        for score in scores
    ]
    assert ids(track(given, "bytetrack[min_hits=1]")) == [[1], [1], [], [], [1]]


def test_sort_keeps_a_narrow_object_that_turns() -> None:
    places = [10 - 2.5 * t for t in range(5)] + [2.5 * t for t in range(1, 5)]
    objects = truth([(0.0, x, 20.0, x + 7) for x in places])
    assert ids(track(detected(objects), "sort[min_hits=1]")) == [[1]] * 9


def test_tracks_name_their_detections_and_the_class_with_the_most_evidence() -> None:
    labels = [(3, 0.9), (5, 0.4), (5, 0.4), (5, 0.4)]
    given = [
        Detections([square(200), square(t)], [0.1, score], [7, label])
        for t, (label, score) in enumerate(labels)
    ]
    found = track(given, "sort[min_hits=1]")
    assert [one.rows.tolist() for one in found] == [[1]] * 4
    assert [one.labels.tolist() for one in found] == [[3], [3], [3], [5]]
    assert found[1].scores.tolist() == [0.4]


def test_the_unit_of_boxes_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    places = rng.uniform(0, 100, (8, 2)) + rng.uniform(-3, 3, (30, 8, 2)).cumsum(axis=0)
    boxes = np.concatenate([places, places + np.array([30, 12])], axis=2)
    scores = rng.uniform(0, 1, (30, 8))
    for tracker in ("sort", "bytetrack"):
        px, fractions = (
            track([Detections(b * scale, s) for b, s in zip(boxes, scores, strict=True)], tracker)
            for scale in (1.0, 1 / 256)
        )
        assert ids(px) == ids(fractions) and max(len(one) for one in px) > 3


def test_an_identity_is_never_given_twice() -> None:
    rng = np.random.default_rng(1)
    given = [
        Detections([square(*place) for place in rng.uniform(0, 400, (6, 2))]) for _ in range(40)
    ]
    for tracker in ("sort[min_hits=1,max_age=2]", "bytetrack[min_hits=1,max_age=2]"):
        seen: dict[int, int] = {}
        for frame, found in enumerate(track(given, tracker)):
            assert len(set(found.ids)) == len(found) and found.ids.tolist() == sorted(found.ids)
            for number in found.ids.tolist():
                assert frame - seen.get(number, frame) <= 3
                seen[number] = frame
        assert sorted(seen) == list(range(1, len(seen) + 1))


def test_pairs_below_the_threshold_do_not_compete() -> None:
    overlap = np.array([[0.5, 0.29], [0.45, 0.0]])
    assert [one.tolist() for one in assigned(overlap, 0.3)] == [[0], [0]]
    assert [one.tolist() for one in assigned(overlap, 0.0)] == [[0, 1], [1, 0]]
    assert assigned(np.zeros((0, 3)), 0.1)[0].size == 0
    found = overlaps(np.array([square(0)]), np.array([square(10), square(40), (0, 0, 0, 0)]))
    assert found.tolist() == [[pytest.approx(1 / 3), 0, 0]]


def test_a_swap_is_two_switches() -> None:
    here, there = [square(0)] * 4, [square(100)] * 4
    objects = truth(here, there)
    swapped = [
        Tracks(np.array([1, 2]), one.boxes if t < 2 else one.boxes[::-1])
        for t, one in enumerate(objects)
    ]
    # Each of 8 matches belongs to a pair with 2 of the 6 boxes of object or track.
    expected = {"mota": 1 - 2 / 8, "idf1": 0.5, "hota": (1 / 3) ** 0.5, "id_switches": 2}
    assert scored(objects, swapped) == pytest.approx(expected)


def test_hota_counts_the_thresholds_that_a_box_reaches() -> None:
    objects = truth([(0.0, 0.0, 10.0, 10.0)])
    beside = truth([(0.0, 2.4, 10.0, 12.4)])  # IoU 7.6 / 12.4: thresholds .05 to .60 of 19
    found = scored(objects, beside)
    assert found["hota"] == pytest.approx(12 / 19)
    assert found["mota"] == 1


def test_nothing_found_and_nothing_there() -> None:
    objects = truth([square(0)] * 3)
    assert scored(objects, []) == {"hota": 0, "mota": 0, "idf1": 0, "id_switches": 0}
    found: Scores = evaluate([Tracks()] * 3, objects)
    assert found.parts["false_boxes"] == 3
    with pytest.raises(ValueError, match="twice in frame 1"):
        evaluate([Tracks(np.array([1, 1]), np.zeros((2, 4)))], [])
    with pytest.raises(ValueError, match="4 frames, but truth of 3"):
        evaluate(objects, [Tracks()] * 4)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("srt", "unknown tracker 'srt'"),
        ("sort[age=3]", "no parameter 'age'"),
        ("sort[iou=2]", "iou of sort"),
        ("sort[min_hits=0]", "min_hits of sort"),
        ("bytetrack[low=0.7]", "must not decrease"),
        ("sort[max_age]", "not parameter=value"),
    ],
)
def test_a_wrong_name_is_one_clear_error(name: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        resolve(name)
    assert message in caught.value.one_line()


def test_detections_must_agree() -> None:
    with pytest.raises(ValueError, match="differ in number"):
        Detections([square(0)], [0.5, 0.6])
    with pytest.raises(ValueError, match="not a finite number"):
        Detections([square(float("nan"))])
    assert len(Detections([])) == 0
    assert ids(track([Detections([])] * 2)) == [[], []]

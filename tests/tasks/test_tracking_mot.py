"""MOTChallenge's text files, and the scores that the challenge's own devkit gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cnnbench.errors import Unavailable, UserError
from cnnbench.tasks.tracking import Tracks, mot, scores, track

# Of the MOT challenge's devkit, in % and as counts.
DEVKIT = {
    "TUD-Campus": "55.8 73.0 45.1 58.2 94.1 8 1 6 1 13 150 7 7 52.6 72.3",
    "TUD-Stadtmitte": "64.5 82.0 53.1 60.9 94.0 10 5 4 1 45 452 7 6 56.4 65.4",
}


@pytest.mark.parametrize("name", DEVKIT)
def test_a_public_result_scores_as_the_devkit_says(name: str, data_dir: Path) -> None:
    folder = data_dir / "annotated" / "mot" / name
    if not folder.is_dir():
        pytest.skip(f"no data: {folder} does not exist")
    pytest.importorskip("trackeval", reason="needs the extra tracking")
    truth = mot.read_tracks(folder / "gt.txt")
    found = scores.evaluate(truth, mot.read_tracks(folder / "test.txt", len(truth)))
    metrics, parts = found.metrics, found.parts
    shares = (metrics["idf1"], *(parts[x] for x in ("idp", "idr", "recall", "precision")))
    objects = {number for one in truth for number in one.ids.tolist()}
    counts = ("mostly_tracked", "partly_tracked", "mostly_lost", "false_boxes", "misses")
    line = [
        *(f"{100 * share:.1f}" for share in shares),
        f"{len(objects)}",
        *(f"{parts[name]:.0f}" for name in counts),
        f"{metrics['id_switches']:.0f}",
        f"{parts['fragmentations']:.0f}",
        f"{100 * metrics['mota']:.1f}",
        f"{100 * parts['motp']:.1f}",
    ]
    assert " ".join(line) == DEVKIT[name]


def test_reads_what_it_writes(tmp_path: Path) -> None:
    boxes = np.array([[10.0, 20.0, 40.5, 32.25], [1.0, 2.0, 3.0, 4.0]])
    written = [
        Tracks(np.array([3, 7]), boxes, np.array([0.5, 1.0])),
        Tracks(),
        Tracks(np.array([7]), boxes[:1], np.array([0.25])),
    ]
    mot.write_tracks(tmp_path / "a.txt", written)
    assert (tmp_path / "a.txt").read_text().splitlines()[0] == ("1,3,20,10,12.25,30.5,0.5,-1,-1,-1")
    found = mot.read_tracks(tmp_path / "a.txt")
    assert [one.ids.tolist() for one in found] == [[3, 7], [], [7]]
    np.testing.assert_allclose(found[0].boxes, boxes)
    assert found[2].scores.tolist() == [0.25]
    assert len(mot.read_tracks(tmp_path / "a.txt", 5)) == 5


def test_detections_are_read_and_tracked(tmp_path: Path) -> None:
    file = tmp_path / "det.txt"
    file.write_text("".join(f"{t},-1,{2 * t},5,20,30,-1,-1,-1,-1\n" for t in (1, 2, 3)) + "\n")
    found = mot.read_detections(file)
    assert found[1].boxes.tolist() == [[5, 4, 35, 24]] and found[1].scores.tolist() == [1.0]
    assert [one.ids.tolist() for one in track(found, "sort[min_hits=1]")] == [[1]] * 3


def test_true_objects_that_do_not_count_are_left_out(tmp_path: Path) -> None:
    file = tmp_path / "gt.txt"
    file.write_text("1,1,0,0,5,5,1,1,1\n1,2,0,0,5,5,0,8,1\n2,2,0,0,5,5\n")
    assert [one.ids.tolist() for one in mot.read_tracks(file)] == [[1], [2]]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1,1,0,0,5", "at least six numbers"),
        ("1,1,0,0,five,5,1", "width 'five' is not a number"),
        ("1.5,1,0,0,5,5,1", "frame '1.5' is not a whole number"),
        ("0,1,0,0,5,5,1", "frame 0 is not between"),
        ("9999999,1,0,0,5,5,1", "is not between"),
        ("1,1,0,0,-5,5,1", "negative width"),
        ("1,1,inf,0,5,5,1", "left 'inf' is not a number"),
        ("1,4,9,9,5,5,1", "frame 1 has the id 4 twice"),
        ("1,-1,9,9,5,5,1", "a box without an id"),
    ],
)
def test_a_wrong_line_is_named(line: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "gt.txt"
    file.write_text(f"1,4,0,0,5,5,1\n{line}\n")
    with pytest.raises(UserError) as caught:
        mot.read_tracks(file)
    assert message in caught.value.one_line()
    assert caught.value.where == f"{file}, line 2"


def test_a_missing_file_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        mot.read_tracks(tmp_path / "no.txt")


def test_without_trackeval_the_error_says_what_to_install() -> None:
    def missing() -> None:
        raise ModuleNotFoundError("No module named 'trackeval'")

    with pytest.raises(Unavailable, match=r"pip install 'cnnbench\[tracking\]'"):
        scores.evaluators(missing)

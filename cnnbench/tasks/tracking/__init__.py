"""Tracking: identities of detections over a sequence of frames, for any detector.

`track` links detections by a tracker: ``sort``, ``bytetrack``, or one of another package. A tracker
is a file with a class and one line in `tracker.TRACKERS`. `mot` reads and writes MOTChallenge's
text files, `scores` computes HOTA, MOTA, IDF1 and identity switches.
"""

from cnnbench.tasks.tracking.tracker import (
    TRACKERS,
    Detections,
    Linker,
    Tracker,
    Tracks,
    resolve,
    track,
)

__all__ = ["TRACKERS", "Detections", "Linker", "Tracker", "Tracks", "resolve", "track"]

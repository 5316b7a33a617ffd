"""Whether the network is there: asked first, so that a machine without one answers in seconds."""

from __future__ import annotations

import queue
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

_ANSWER_WITHIN_S = 5.0
_STALLED_AFTER_S = 30.0


def reachable(url: str) -> bool:
    """Whether anything answers at ``url`` within five seconds, look-up of the name included."""
    outcome: queue.Queue[bool] = queue.Queue()

    def ask() -> None:
        request = urllib.request.Request(url, method="HEAD")
        try:
            urllib.request.urlopen(request, timeout=_ANSWER_WITHIN_S).close()
            outcome.put(True)
        except urllib.error.HTTPError:
            outcome.put(True)  # an answer all the same
        except (OSError, ValueError):
            outcome.put(False)

    # A thread, because the look-up of a name has no timeout of its own.
    threading.Thread(target=ask, daemon=True).start()
    try:
        return outcome.get(timeout=_ANSWER_WITHIN_S)
    except queue.Empty:
        return False


@contextmanager
def no_endless_waits() -> Iterator[None]:
    """Inside, a connection that stays silent for half a minute is an error."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_STALLED_AFTER_S)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)

"""Timeouts for downloads, so that an unreachable network fails soon instead of hanging."""

from __future__ import annotations

import http.client
import queue
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_ANSWER_WITHIN_S = 5.0
_SILENT_FOR_S = 30.0


def reachable(url: str) -> bool:
    """Return whether anything answers at ``url`` within five seconds, name look-up included."""
    request = urllib.request.Request(url, method="HEAD")
    try:
        _in_time(lambda: urllib.request.urlopen(request, timeout=_ANSWER_WITHIN_S).close())
    except urllib.error.HTTPError:
        return True  # an error status is an answer
    except (OSError, ValueError):
        return False
    return True


@contextmanager
def short_timeouts() -> Iterator[None]:
    """Make downloads by any library fail soon if the network does not respond.

    A slow download continues as long as data arrives at least every 30 seconds.
    """
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_SILENT_FOR_S)
    urllib.request.install_opener(urllib.request.build_opener(_Handler))  # Keras fetches by it
    try:
        yield
    finally:
        urllib.request.install_opener(urllib.request.build_opener())
        socket.setdefaulttimeout(before)


class _Connection(http.client.HTTPSConnection):
    def connect(self) -> None:
        place = (self.host, self.port)
        _in_time(lambda: socket.create_connection(place, _ANSWER_WITHIN_S).close())
        super().connect()


class _Handler(urllib.request.HTTPSHandler):
    def https_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(_Connection, req)


def _in_time(ask: Callable[[], None]) -> None:
    """Call ``ask`` in a thread: name look-up has no timeout, and addresses are tried in turn.

    Raises:
        OSError: whatever ``ask`` raised, or no answer in time.
    """
    outcome: queue.Queue[Exception | None] = queue.Queue()

    def answer() -> None:
        try:
            ask()
            outcome.put(None)
        except (OSError, ValueError) as error:
            outcome.put(error)

    threading.Thread(target=answer, daemon=True).start()
    try:
        error = outcome.get(timeout=_ANSWER_WITHIN_S)
    except queue.Empty:
        error = TimeoutError(f"no answer in {_ANSWER_WITHIN_S:.0f} s")
    if error is not None:
        raise error

"""Downloads that give up on a host which does not answer, instead of hanging."""

from __future__ import annotations

import http.client
import queue
import socket
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_PATIENCE_S = 15.0


@contextmanager
def impatient() -> Iterator[None]:
    """Whatever urllib fetches inside the ``with`` (Keras fetches so) fails soon on a dead network.

    A slow download may take its time, as long as something arrives every 15 s.
    """
    urllib.request.install_opener(urllib.request.build_opener(_Handler))
    try:
        yield
    finally:
        urllib.request.install_opener(urllib.request.build_opener())


class _Connection(http.client.HTTPSConnection):
    def connect(self) -> None:
        _knock(self.host, self.port)
        self.timeout = _PATIENCE_S
        super().connect()


class _Handler(urllib.request.HTTPSHandler):
    def https_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(_Connection, req)


def _knock(host: str, port: int) -> None:
    """Connect once, in a thread: names are looked up without a timeout, addresses one by one.

    Raises:
        OSError: the host refuses, is unknown, or has not answered in time.
    """
    outcome: queue.Queue[OSError | None] = queue.Queue()

    def knock() -> None:
        try:
            socket.create_connection((host, port), _PATIENCE_S).close()
            outcome.put(None)
        except OSError as error:
            outcome.put(error)

    threading.Thread(target=knock, daemon=True).start()
    try:
        error = outcome.get(timeout=_PATIENCE_S)
    except queue.Empty:
        error = TimeoutError(f"no answer from {host} in {_PATIENCE_S:.0f} s")
    if error is not None:
        raise error

"""Safe reading of a small text file of a run that may come from anywhere."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


def read(file: Path, most_bytes: int) -> str:
    """Return the text of ``file``, but never through a symbolic link.

    What is shown of a run may be published: a link would put any file of this machine into it.

    Raises:
        OSError: it is not there, a link, no plain file, or larger than ``most_bytes``.
        ValueError: it is not UTF-8.
    """
    # Not blocking, as a pipe would wait for somebody to write into it.
    descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not a plain file", str(file))
        content = stream.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(file))
    return content.decode("utf-8")

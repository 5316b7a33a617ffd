"""Find the weights file of a setting, without TensorFlow (also for the compression probe)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cnnbench import files
from cnnbench.errors import JobFailed, Unavailable


def locate(
    name: str, planned_sha256: str, search_path: Sequence[Path], data_dir: Path | None
) -> Path:
    """Return the path of the weights file ``name``.

    Args:
        name: its path.
        planned_sha256: its hash when the run was planned; empty if unknown.
        search_path: the folders of the suite.
        data_dir: the data folder, whose ``weights/`` is searched too.

    Raises:
        Unavailable: no such file.
        JobFailed: it has changed since planning.
    """
    file = files.find(name, files.weights_folders(search_path, data_dir))
    if file is None or not file.is_file():
        raise Unavailable(
            f"no weights file '{name}'; put it next to the suite or into the data folder's "
            "weights/ (set by --data-dir or CNNBENCH_DATA)"
        )
    if planned_sha256 and files.sha256(file) != planned_sha256:
        raise JobFailed(f"the weights in '{name}' are not those of the plan; run again")
    return file

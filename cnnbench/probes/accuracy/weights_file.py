"""The weights file that a setting names, found where a job looks for it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cnnbench import files
from cnnbench.errors import JobFailed, Unavailable


def located(
    name: str, planned_sha256: str, search_path: Sequence[Path], data_dir: Path | None
) -> Path:
    """The file ``name``: that of the plan, where a plan says which (else the hash is empty).

    Raises:
        Unavailable: no such file.
        JobFailed: it is not the file that the run was planned with.
    """
    file = files.find(name, files.weights_folders(search_path, data_dir))
    if file is None or not file.is_file():
        raise Unavailable(
            f"no weights file '{name}'; put it beside the suite or into the data folder's "
            "weights/ (--data-dir or CNNBENCH_DATA names the data folder)"
        )
    if planned_sha256 and files.sha256(file) != planned_sha256:
        raise JobFailed(f"the weights in '{name}' are not those of the plan; run again")
    return file

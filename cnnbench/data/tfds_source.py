"""Data sets of TensorFlow Datasets (TFDS): where they are, and how they come there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cnnbench.data import downloads
from cnnbench.data.datasets import FileLocation
from cnnbench.errors import Unavailable


def location(name: str) -> FileLocation:
    """Return where the files of a data set are.

    Args:
        name: as TFDS names it, with the configuration if it has several: ``voc/2007``.
    """
    folder, _, configuration = name.partition("/")
    return FileLocation(
        f"tensorflow_datasets/{folder}",
        *("TFDS_DATA_DIR", "~/tensorflow_datasets", folder),
        evidence=f"{configuration}/*/dataset_info.json".lstrip("/"),
    )


def prepared(name: str, url: str, data_dir: Path | None) -> Any:
    """Return the `tfds.core.DatasetBuilder` of a data set, downloaded first where it is missing.

    Args:
        name: as for `location`.
        url: an address that answers if it can be downloaded.
        data_dir: holds ``tensorflow_datasets/``; None for TFDS' own folder.

    Raises:
        Unavailable: it is missing and cannot be downloaded.
    """
    import tensorflow_datasets as tfds

    folder = data_dir / "tensorflow_datasets" if data_dir else None
    builder = tfds.builder(name, data_dir=folder)
    if not builder.is_prepared():
        _fetch(builder, name, url)
    return builder


def _fetch(builder: Any, name: str, url: str) -> None:
    unavailable = Unavailable(
        f"{name} is missing and cannot be downloaded; prepare it with TFDS elsewhere and copy "
        f"its folder to {builder.data_dir}"
    )
    if not downloads.reachable(url):
        raise unavailable
    try:
        with downloads.short_timeouts():
            builder.download_and_prepare()
    except Exception as error:  # TFDS raises many kinds
        raise unavailable from error

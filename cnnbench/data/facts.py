"""What is known of every data set that has a name, before any of it is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

FOLDER = "folder:"  # and a path: a data set of the user's own
SMALLEST_CLASS = 5  # of a folder's pictures, so that a fifth is a picture


@dataclass(frozen=True)
class Place:
    """Where the files of a data set are.

    Attributes:
        below: their folder in a data folder (``--data-dir``).
        variable, home: the environment variable and the default of its library's own folder.
        below_home: their folder in that.
        evidence: a pattern that only the whole of it has a file for.
    """

    below: str
    variable: str
    home: str
    below_home: str
    evidence: str


@dataclass(frozen=True)
class DataSet:
    """A data set.

    Attributes:
        px: the shorter side of its images.
        classes: how many.
        training_images: what is trained on where a suite does not ask for fewer.
        place: None where it comes with a package.
        packaged: how many of its training and test images come with cnnbench: the first of the
            stratified draw.
    """

    px: int
    classes: int
    training_images: int
    place: Place | None = None
    packaged: tuple[int, int] = (0, 0)


NAMED: Mapping[str, DataSet] = {
    "fashion_mnist": DataSet(
        px=28,
        classes=10,
        training_images=60_000,
        place=Place(
            "keras/datasets/fashion-mnist",
            *("KERAS_HOME", "~/.keras", "datasets/fashion-mnist"),
            evidence="train-images-idx3-ubyte.gz",
        ),
        packaged=(2_500, 2_000),
    ),
    "digits": DataSet(px=8, classes=10, training_images=1_438),
    "tf_flowers": DataSet(
        px=224,  # photographs of many sizes
        classes=5,
        training_images=2_752,
        place=Place(
            "tensorflow_datasets/tf_flowers",
            *("TFDS_DATA_DIR", "~/tensorflow_datasets", "tf_flowers"),
            evidence="*/dataset_info.json",
        ),
    ),
}

# Of a folder that was not read yet: photographs; how many, only reading tells.
UNREAD_FOLDER = DataSet(px=224, classes=0, training_images=3_000)


def facts(name: str) -> DataSet:
    """What is known of a data set by its name, or of any ``folder:PATH``."""
    return NAMED.get(name, UNREAD_FOLDER)

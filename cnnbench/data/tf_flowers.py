"""``tf_flowers``: 3,670 photographs of five flowers, with the chapter's split.

The TensorFlow Team, Flowers, 2019. The chapter tests on the first 10 % of TFDS' official order,
validates on the next 15 % and trains on the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cnnbench.data import tfds_source
from cnnbench.data.datasets import Facts, Request
from cnnbench.data.pictures import Splits

if TYPE_CHECKING:
    from cnnbench.data.photographs import Photographs

_SPLIT = ("train[:10%]", "train[10%:25%]", "train[25%:]")
_URL = "https://storage.googleapis.com/download.tensorflow.org/"


class TfFlowers:
    """Splits of 367 test, 551 validation and 2,752 training images."""

    facts = Facts(
        px=224,  # photographs of many sizes
        classes=5,
        training_images=2_752,
        has_validation=True,
        location=tfds_source.location("tf_flowers"),
    )

    def load(self, request: Request, data_dir: Path | None, search_path: Sequence[Path]) -> Splits:
        """Return all images, encoded, downloading them first where they are missing."""
        import tensorflow_datasets as tfds

        builder = tfds_source.prepared("tf_flowers", _URL, data_dir)
        parts = builder.as_dataset(
            split=list(_SPLIT), decoders={"image": tfds.decode.SkipDecoding()}, shuffle_files=False
        )
        test, validation, train = (_photographs(tfds.as_numpy(part)) for part in parts)
        names = tuple(builder.info.features["label"].names)
        return Splits(classes=names, train=train, test=test, validation=validation)


TF_FLOWERS = TfFlowers()


def _photographs(part: Any) -> Photographs:
    from cnnbench.data.photographs import Photographs

    examples = list(part)
    labels = np.array([example["label"] for example in examples], np.int64)
    return Photographs([example["image"] for example in examples], labels)

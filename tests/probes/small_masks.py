"""Networks for instance segmentation, small enough to train and convert in a test."""

from __future__ import annotations

from typing import Any

import numpy as np

from cnnbench.models import registry
from cnnbench.probes.accuracy.settings import AccuracySetting
from tests.probes.test_detector_files import lively

SCENES = "scenes[objects=1-3,px=32,sides=10-22]"
HEAD = "mask[grid=4,width=16,depth=0,proposals=12,roi=6,mask_width=8,mask_depth=1]"
NAME = f"trunk+{HEAD}"
"""Of `small_locators.BUILDERS`."""
SHAPE = (32, 32, 1)
HEADS = {
    "yolo": HEAD,
    "retina": "mask[detector=retina,channels=8,depth=1,proposals=12,roi=6,mask_width=8,"
    "mask_depth=1,per_class=true]",
    "ssdlite": "mask[detector=ssdlite,finest=4,levels=3,width=16,proposals=12,roi=6,mask_width=8,"
    "mask_depth=1]",
}
"""Head by the name of its detector."""


def setting(**wording: Any) -> AccuracySetting:
    """Return a short training for instance segmentation."""
    return AccuracySetting.model_validate(
        {
            **{"dataset": SCENES, "task": "instance_segmentation", "image_size": 32, "epochs": 3},
            **{"train_examples": 128, "test_examples": 60, "batch_size": 32},
            **{"learning_rate": 0.01, **wording},
        }
    )


def network(detector: str, classes: int = 3) -> Any:
    """Return a network with random weights whose outputs vary."""
    name = f"BasicCNN[width=0.1,batch_norm=true]+{HEADS[detector]}"
    made = registry.resolve(f"{name[:-1]},input_shape=32x32x1,classes={classes}]").build()
    lively(made)
    images = np.random.default_rng(7).uniform(size=(8, *SHAPE)).astype(np.float32)
    made(images, training=True)  # the statistics of batch normalisation are no longer 0 and 1
    return made

"""Random changes of training images: of images alone, or together with the objects in them."""

from cnnbench.data.augmentation.images import layers
from cnnbench.data.augmentation.objects import changed
from cnnbench.data.augmentation.settings import Augment, refuse_rotation

__all__ = ["Augment", "changed", "layers", "refuse_rotation"]

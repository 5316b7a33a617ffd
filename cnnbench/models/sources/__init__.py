"""Model sources: the ways in which a text in a suite or on the command line names a model.

Each source is one file here and one line in `SOURCES`. Another package adds a source by an entry
point of the group ``cnnbench.model_sources`` whose value is an object that implements
`ModelSource`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from cnnbench.models.model import Model
from cnnbench.models.model_name import ModelName
from cnnbench.plugins import Registry


class ModelSource(Protocol):
    """One form of model name, for example ``file.py:builder``, and its models.

    Importing a source must not import TensorFlow; only the factory of its models may, when it
    builds one.
    """

    def matches(self, name: str, search_path: Sequence[Path]) -> bool:
        """Return whether ``name`` (without brackets) has the form of this source."""

    def resolve(self, written: ModelName, search_path: Sequence[Path]) -> Model:
        """Return the model without building it.

        Args:
            written: the name and the parameters in its brackets.
            search_path: folders in which files are looked up: the suite's, or the working
                directory.

        Raises:
            UserError: there is no such model, or it does not take these parameters.
        """


# The first source that matches is used; those of other packages are asked last.
SOURCES: Registry[ModelSource] = Registry(
    "cnnbench.model_sources",
    "model source",
    {
        "keras_file": "cnnbench.models.sources.keras_file:SOURCE",
        "litert_file": "cnnbench.models.sources.litert_file:SOURCE",
        "catalogue": "cnnbench.models.sources.catalogue:SOURCE",
        "python_builder": "cnnbench.models.sources.python_builder:SOURCE",
    },
)

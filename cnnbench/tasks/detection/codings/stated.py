"""The coding that a network states, as JSON text, and its `Coder`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from cnnbench.errors import JobFailed
from cnnbench.models.heads import coding as codings
from cnnbench.models.heads.coding import AnchorCoding, GridCoding
from cnnbench.tasks.detection.codings import Coder
from cnnbench.tasks.detection.codings.anchors import AnchorCoder
from cnnbench.tasks.detection.codings.decoded import DecodedCoder
from cnnbench.tasks.detection.codings.grid import GridCoder

DECODED = "decoded"
"""The kind of coding of a network that returns decoded boxes and scores."""


def of_network(network: Any) -> str:
    """Return the coding that a ``keras.Model`` states, as canonical JSON; by default `DECODED`.

    The coding is found in wrapped layers too, as quantisation-aware training makes them.
    """
    layers = network._flatten_layers(include_self=False, recursive=True)
    stated = (getattr(layer, "coding", None) for layer in layers)
    found = next((one for one in stated if isinstance(one, Mapping)), {"kind": DECODED})
    return canonical(codings.unwrapped(found))


def canonical(values: Mapping[str, Any]) -> str:
    """Return JSON values as text that is the same for the same values."""
    return json.dumps(values, sort_keys=True, separators=(",", ":"))


def coder(encoding: str) -> Coder:
    """Return the coder of an encoding, as `of_network` returns it.

    Raises:
        JobFailed: there is no such coding.
    """
    values = json.loads(encoding)
    if values.get("kind") == DECODED:
        return DecodedCoder()
    try:
        found = codings.of_json(values)
    except ValueError as error:
        raise JobFailed(f"its layer {codings.LAYER} states {error}") from None
    if isinstance(found, GridCoding):
        return GridCoder(found)
    assert isinstance(found, AnchorCoding)
    return AnchorCoder(found)

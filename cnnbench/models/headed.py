"""Models with a head in their name: ``MobileNetV2[alpha=0.35]+box[classes=10]``."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from cnnbench.errors import UserError, is_out_of_memory, plain
from cnnbench.models import model_name, output_names, source_files, weights
from cnnbench.models.arguments import OF_WHOLE
from cnnbench.models.heads import HEADS, EnlargingHead, Head
from cnnbench.models.model import Model, Request, Shape
from cnnbench.models.model_name import ModelName
from cnnbench.models.signature import REQUIRED, Signature
from cnnbench.named import Named, show
from cnnbench.plugins import Registry


def resolve(
    written: ModelName,
    resolve_backbone: Callable[[ModelName], Model],
    heads: Registry[Head] = HEADS,
) -> Model:
    """Return the model for a name with a head, without building it.

    Args:
        written: the name.
        resolve_backbone: returns the model for the name without the head.
        heads: by name.

    Raises:
        UserError: there is no such head (the nearest is given), a parameter that it does not take
            or that stands in the wrong brackets, or a backbone that cannot have this head.
    """
    given = written.head or Named("")
    name = {plain(known): known for known in heads}.get(plain(given.name), given.name)
    head = heads.find(name)
    _check_written(written, replace(given, name=name))
    backbone = resolve_backbone(written.backbone)
    if not (head.takes_top or backbone.factory.takes("include_top")):
        raise UserError(
            f"{backbone.entry.name} cannot leave its top off, which +{name} needs",
            hint="the head needs a builder with a parameter 'include_top'",
        )
    hashed = not heads.is_built_in(name)
    factory = HeadedFactory(backbone, name, head, hashed)
    if isinstance(head, EnlargingHead):
        factory = EnlargingFactory(backbone, name, head, hashed)
    whole = f"{factory.bare_label}+{name}"
    # What is known of the backbone does not hold for the whole.
    entry = replace(backbone.entry, name=whole, task=head.task, params=None, macs=None)
    asked = ModelName(whole, given.parameters, written.text_with(backbone.text))
    model = Model.from_name(asked, entry, _signature(head), factory)
    _check_interface(model, factory)
    return replace(model, factory=factory.settled(model.input_shape, model.parameters))


def _check_written(written: ModelName, head: Named) -> None:
    """Refuse a second head, and an input shape or classes in the backbone's brackets."""
    if (inner := model_name.parse(written.backbone.text)).head is not None:
        raise UserError(f"'{written.text}' has two heads", hint=f"write {inner}")
    own, of_head = dict(written.parameters), dict(head.parameters)
    misplaced = {name: own.pop(name) for name in OF_WHOLE if name in own}
    for name in misplaced:
        last = replace(head, parameters=tuple({**misplaced, **of_head}.items()))
        right = ModelName(written.name, tuple(own.items()), head=last)
        fault = "is given twice" if name in of_head else "belongs to the whole network"
        raise UserError(f"'{name}' {fault} in '{written.text}'", hint=f"write {right}")


def _signature(head: Head) -> Signature:
    """Return the parameters of a network with this head: its own, input shape and classes."""
    parameters = inspect.signature(head.attach).parameters.values()
    own = {
        one.name: REQUIRED if one.default is one.empty else one.default
        for one in parameters
        if one.kind is one.KEYWORD_ONLY
    }
    return Signature({**own, **dict.fromkeys(OF_WHOLE)})


def _check_interface(model: Model, factory: HeadedFactory) -> None:
    """Refuse an input shape or classes that the backbone cannot have, and unknown classes."""
    name, backbone = model.entry.name, factory.backbone
    for which in sorted(model.stated):
        asked, own = getattr(model, which), getattr(backbone, which)
        if asked != own and not factory.takes(which):
            known = f" ({which}={show(own)})" if own else ""
            raise UserError(
                f"{name} cannot be built with {which}={show(asked)}: "
                f"{factory.bare_label} keeps its own{known}",
                hint=f"leave {which} out",
            )
    if not (model.classes or factory.head.takes_top):
        raise UserError(f"{name} needs classes", hint=f"write {name}[classes=...]")


@dataclass(frozen=True)
class HeadedFactory:
    """Builds a backbone and attaches a head to it.

    Attributes:
        backbone: with the input shape and classes of the whole, if its builder takes them.
        name: of the head.
        head: what is attached.
        hashed: its source is part of the model's identity (true for a head of another package).
    """

    backbone: Model
    name: str
    head: Head
    hashed: bool

    @property
    def bare_label(self) -> str:
        """The backbone's label without input shape and classes, which are the whole's."""
        entry = self.backbone.entry
        return replace(self.backbone, input_shape=entry.input_shape, classes=entry.classes).label

    @property
    def is_trained(self) -> bool:
        """True if the backbone is and the head, made of its top, adds nothing to train."""
        return self.head.takes_top and self.backbone.is_trained

    def takes(self, argument: str) -> bool:
        is_of_head = argument == "classes" and not self.head.takes_top
        return is_of_head or self.backbone.factory.takes(argument)

    def settled(self, image: Shape, parameters: Mapping[str, Any]) -> Self:
        """Return the factory of a network with this input and these parameters of the head.

        Raises:
            UserError: the backbone cannot have the input that the head then needs.
        """
        return self

    def architecture(self, request: Request) -> Any:
        network = self._network(request, self.backbone.architecture)
        return self._attached(network, request) if request.include_top else network

    def pretrained(self, request: Request) -> Any:
        return self.assembled(request, "imagenet")

    def restore(self, model: Any) -> None:
        """Do nothing: `assembled` loads the weights that the backbone comes with."""

    def assembled(self, request: Request, source: str | Path | None) -> Any:
        """Return the network with weights: the backbone's own or ImageNet's, or those of a file.

        The file has those of the whole network, or of the backbone alone.
        """
        is_bare_classifier = self.head.takes_top and not request.include_top
        if source is None or source == "imagenet" or is_bare_classifier:
            return self._with_backbone_from(source, request)
        return self._from_file(source, request)[0]

    def trained(self, request: Request, source: str | Path | None) -> Any:
        """Return the network as `assembled` does; refuse weights that leave the head untrained."""
        if self.head.takes_top:
            return self.assembled(request, source)
        untrained = f"the head of {request.label} is untrained"
        hint = "give weights of the whole network, --weights FILE"
        if source is None or source == "imagenet":
            raise UserError(f"{untrained}: no weights are published for it", hint=hint)
        network, has_whole = self._from_file(source, request)
        if not has_whole:
            raise UserError(f"{untrained}: {source} has weights of the backbone alone", hint=hint)
        return network

    def preprocess(self, images: Any, parameters: Mapping[str, Any]) -> Any:
        """Apply the preprocessing of the backbone."""
        return self.backbone.preprocess(images)

    def fingerprint(self) -> Mapping[str, Any]:
        """Return the backbone's identity, and the hash of the head's source if it is `hashed`."""
        identity = self.backbone.identity()
        found = {"backbone": {k: v for k, v in identity.items() if k not in OF_WHOLE}}
        if not self.hashed:
            return found
        module = inspect.getmodule(type(self.head))
        file = Path(inspect.getfile(type(self.head))).resolve()
        root = file.parents[module.__name__.count(".") if module else 0]
        return {**found, "head_sha256": source_files.sha256(file, root)}

    def _from_file(self, source: str | Path, request: Request) -> tuple[Any, bool]:
        """Return the network with weights of a file, and whether they are those of the whole."""
        ways = [self._with_whole_from, self._with_backbone_from]
        if self.head.takes_top:  # most files are of the classifier as it was trained
            ways.reverse()
        try:
            with warnings.catch_warnings():  # Keras warns of layers that the file lacks
                warnings.simplefilter("ignore")
                return ways[0](source, request), not self.head.takes_top
        except weights.OtherParameter:
            raise
        except UserError as error:
            try:
                return ways[1](source, request), self.head.takes_top
            except UserError:
                raise error from None

    def _with_backbone_from(self, source: str | Path | None, request: Request) -> Any:
        network = self._network(request, self.backbone.build, weights=source)
        return self._attached(network, request) if request.include_top else network

    def _with_whole_from(self, source: str | Path, request: Request) -> Any:
        network = self._network(request, self.backbone.architecture)
        whole = self._attached(network, request)
        weights.load(whole, Path(source), request.label)
        return whole if request.include_top else network

    def _network(self, request: Request, build: Callable[..., Any], **given: Any) -> Any:
        """Return the network that the head is attached to; ``given`` are arguments of ``build``."""
        arguments: dict[str, Any] = {
            name: getattr(request, name) for name in OF_WHOLE if self._is_passed(name, request)
        }
        with_top = self.head.takes_top and request.include_top
        return build(include_top=with_top, **(arguments | given))

    def _is_passed(self, argument: str, request: Request) -> bool:
        """Return whether the backbone is asked for the whole's value; it refuses what is fixed."""
        if self.backbone.factory.takes(argument):
            return True
        return argument in request.changed and not self.takes(argument)

    def _images(self, request: Request) -> tuple[Any, ...]:
        """Return the symbolic input of the whole network where the backbone's is another one."""
        return ()

    def _attached(self, network: Any, request: Request) -> Any:
        """Return the network with the head; the two share their layers."""
        import tensorflow as tf

        inputs = network.inputs[0] if len(network.inputs) == 1 else network.inputs
        images = self._images(request)
        if self.backbone.output is not None:
            structure = output_names.of(network)
            path = output_names.chosen(structure, self.backbone.output, self.bare_label)
            chosen = output_names.named(structure)[path]
            network = tf.keras.Model(inputs, chosen, name=network.name)
        classes = request.classes or network.outputs[0].shape[-1]
        try:
            outputs = self.head.attach(network, classes, *images, **request.parameters)
            whole = images[0] if images else inputs
            return tf.keras.Model(whole, outputs, name=f"{network.name}_{self.name}")
        except UserError as error:
            raise UserError(f"{request.label}: {error.what}", error.where, error.hint) from error
        except Exception as error:  # a head of another package can raise anything
            if is_out_of_memory(error):
                raise
            raise request.refused(error) from error


@dataclass(frozen=True)
class EnlargingFactory(HeadedFactory):
    """Builds a classifier, and a larger network around it with an `EnlargingHead`."""

    head: EnlargingHead

    def takes(self, argument: str) -> bool:
        return argument == "input_shape" or super().takes(argument)

    def settled(self, image: Shape, parameters: Mapping[str, Any]) -> Self:
        own = self.backbone.entry.input_shape
        shape = self.head.classifier_input(own or image, image, **parameters)
        if shape == self.backbone.input_shape:
            return self
        if not self.backbone.factory.takes("input_shape"):
            raise UserError(
                f"{self.bare_label} takes images of {show(own)}, which is not {show(shape)}",
                hint="its input is fixed: leave crop out, and keep its channels",
            )
        stated = self.backbone.stated | {"input_shape"}
        return replace(self, backbone=replace(self.backbone, input_shape=shape, stated=stated))

    def _network(self, request: Request, build: Callable[..., Any], **given: Any) -> Any:
        if request.include_top:
            classifier = self.settled(request.input_shape, request.parameters).backbone
            given["input_shape"] = classifier.input_shape
        return super()._network(request, build, **given)

    def _images(self, request: Request) -> tuple[Any, ...]:
        import tensorflow as tf

        return (tf.keras.Input(request.input_shape),)

"""Weights from ImageNet or from a file, matched by layer name."""

import os

import h5py
import keras
import numpy as np

from adl_tf.errors import DataError
from adl_tf.models.surgery import set_layer_weights
from adl_tf.models.variants import FOREIGN, OTHERWISE, require_file
from adl_tf.models.weights_pytorch import read_pytorch
from adl_tf.models.weights_tensorpack import read_tensorpack

_FOREIGN_READERS = {"tensorpack": read_tensorpack, "pytorch": read_pytorch}


def load_pretrained(model, backbone, weights, num_classes):
    """Gives a classifier the weights of a trained network.

    Args:
        model: Keras model made of `backbone` and its head.
        backbone: The `Backbone` that `model` was built from.
        weights: `"imagenet"` or the path of an `.h5` file of
            `keras.applications` (with or without its classifier), of a
            `.keras` file, of a `.weights.h5` file of this very model, of an
            `.npz` file of Tensorpack or the `.index` file of its checkpoint,
            or of a `.pth` or `.pt` file of PyTorch.
        num_classes: Number of classes of `model`. A pretrained classifier is
            used when it has as many.

    Returns:
        Names of the layers of `model` that keep their initial values: new
        layers that are not in `weights`.

    Raises:
        DataError: If the file is missing or unreadable, lacks a layer of the
            backbone or holds one of another shape; for files of other
            frameworks also if an entry of the file is not used.
    """
    if weights == "imagenet":
        if backbone.imagenet_weights is None:
            raise DataError(
                f"backbone '{backbone.model.name}' has no ImageNet weights to "
                f"download in this form: {OTHERWISE}"
            )
        source = _download(backbone)
    elif is_own(weights):
        load_own(model, weights)
        return ()
    elif (suffix := os.path.splitext(weights)[1]) in FOREIGN:
        require_file(weights)
        _refuse_foreign(weights, backbone)
        read = _FOREIGN_READERS[FOREIGN[suffix]]
        source = read(weights, model, backbone.new_layers)
    else:
        source = read_layers(weights)
    if backbone.rename_weights:
        source = backbone.rename_weights(source)
    new_layers = set(backbone.new_layers) - set(source)
    for layer in model.layers:
        if layer.name in ("logits", "class_maps") and layer.weights:
            if not _load_classifier(
                layer, backbone, source, num_classes, weights
            ):
                new_layers.add(layer.name)
        elif layer.weights and layer.name not in new_layers:
            _load_layer(layer, source.get(layer.name), weights)
    return tuple(
        layer.name for layer in model.layers if layer.name in new_layers
    )


def _refuse_foreign(weights, backbone):
    if backbone.application:
        raise DataError(
            f"{weights} is not a file of Keras, and backbone "
            f"'keras:{backbone.application}' takes no others: there are "
            "backbones of ours for files of other frameworks, such as resnet50"
        )


def _download(backbone):
    try:
        return backbone.imagenet_weights()
    # Keras raises a bare Exception where the network fails.
    except Exception as error:
        raise DataError(
            f"the ImageNet weights of '{backbone.model.name}' cannot be had: "
            f"{str(error).splitlines()[0]}; {OTHERWISE}"
        ) from error


def _load_layer(layer, values, origin):
    if values is None:
        raise DataError(
            f"{origin} has no weights for layer '{layer.name}': is it a file "
            "for another backbone or method?"
        )
    wanted = [tuple(weight.shape) for weight in layer.weights]
    found = [tuple(value.shape) for value in values]
    if wanted != found:
        raise DataError(
            f"{origin} holds weights of another shape for layer "
            f"'{layer.name}': {found} where {wanted} are needed"
        )
    set_layer_weights(layer, values)


def _load_classifier(layer, backbone, source, num_classes, origin):
    values = source.get(layer.name) or source.get(backbone.imagenet_classifier)
    if not values or values[0].shape[-1] != num_classes:
        return False
    kernel, bias = values
    # Some networks of Keras classify with a 1x1 convolution.
    if kernel.ndim == 4 and kernel.shape[:2] == (1, 1):
        kernel = kernel[0, 0]
    if layer.name == "class_maps":
        kernel = kernel[None, None]
    _load_layer(layer, [kernel, bias], origin)
    return True


def is_own(weights):
    """Whether weights are the path of a `.weights.h5` file.

    Args:
        weights: `"imagenet"`, `None` or a path.
    """
    return str(weights).endswith(".weights.h5")


def load_own(model, path):
    """Gives a model the weights of a `.weights.h5` file, layer by layer.

    Args:
        model: Keras model. Entries of the file for other layers are ignored.
        path: The `.weights.h5` file.

    Raises:
        DataError: If the file is missing or unreadable, or does not fit.
    """
    require_file(path)
    try:
        # By name: layers that a method put in between can change the order
        # of a graph's branches, which `load_weights` goes by.
        source = _read_named(path)
        if source:
            for layer in model.layers:
                if layer.weights:
                    _load_layer(layer, source.get(layer.name), path)
            return
        model.load_weights(path)
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).strip().splitlines()[0]
        raise DataError(
            f"{path} does not fit model '{model.name}': {reason}"
        ) from error


def _read_named(path):
    """As `read_layers`, of a `.weights.h5`; empty if it names no layers."""
    with h5py.File(path, "r") as file:
        groups = [group["vars"] for group in file["layers"].values()]
        return {
            group.attrs["name"]: [
                np.asarray(group[key]) for key in sorted(group, key=int)
            ]
            for group in groups
            if "name" in group.attrs
        }


def read_layers(path):
    """Reads an `.h5` file of `keras.applications` or a saved model.

    Args:
        path: An `.h5` or a `.keras` file.

    Returns:
        Dictionary from layer name to the list of its weights.

    Raises:
        DataError: If it cannot be read.
    """
    require_file(path)
    try:
        if str(path).endswith(".keras"):
            layers = keras.models.load_model(path, compile=False).layers
            return {layer.name: layer.get_weights() for layer in layers}
        with h5py.File(path, "r") as file:
            root = file["model_weights"] if "model_weights" in file else file
            return {
                _text(layer): [
                    np.asarray(root[layer][weight])
                    for weight in root[layer].attrs["weight_names"]
                ]
                for layer in root.attrs["layer_names"]
            }
    # TypeError: a .keras file with a layer class that is not known here.
    except (OSError, TypeError, ValueError, KeyError) as error:
        raise DataError(
            f"{path} is not a weight file that can be read: an .h5 file of "
            "keras.applications, a .keras, .weights.h5, .npz, .index, .pth or "
            ".pt file is expected"
        ) from error


def _text(name):
    return name.decode() if isinstance(name, bytes) else name

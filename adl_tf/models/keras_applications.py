"""Any classifier of `keras.applications` as a backbone."""

import difflib
import functools
import inspect

import keras
import numpy as np
from keras import ops, tree

from adl_tf.models.backbone import Backbone
from adl_tf.models.layer_names import kinds_named_by_keras, renumbered
from adl_tf.models.surgery import edit_layers, insert_after

# Fully connected layers follow the maps of these, without global pooling.
_FLATTENING = ("VGG16", "VGG19")


def keras_backbone(name):
    """The function that builds one network of `keras.applications`.

    Args:
        name: See `keras_application`.

    Returns:
        Function as `keras_application` without `name`.
    """
    return functools.partial(keras_application, name)


def keras_application(name, input_shape=(224, 224, 3), last_stride=None):
    """A network of `keras.applications` up to its last map.

    The map is the input of its last global pooling, or its last output with
    height and width. Layers that Keras names by a number are numbered from
    the first of the network. The preprocessing that goes with the network is
    its first layers.

    Args:
        name: Name of a function of `keras.applications`, such as
            `"DenseNet121"`.
        input_shape: Tuple `(height, width, 3)`.
        last_stride: 1 for a map of twice the height and width: the layers
            that halve it last get stride 1, with the same weights. 2 or
            `None` for the network as it is.

    Returns:
        `Backbone`, without positions for ADL.

    Raises:
        ValueError: If there is no such network, it cannot be built at this
            size, or its last stride cannot be changed.

    Example:

    >>> keras_application("ResNet50V2", last_stride=1).model.output.shape
    (None, 14, 14, 2048)
    """
    if last_stride not in (None, 1, 2):
        raise ValueError(
            f"`last_stride` must be 1 or 2. Received: last_stride={last_stride}"
        )
    application, module = _find(name)
    include_top = name not in _FLATTENING
    inputs = keras.Input(input_shape, name="image")
    try:
        stock = application(
            include_top=include_top,
            weights=None,
            input_tensor=_preprocess(inputs, module),
        )
    except ValueError as error:
        raise ValueError(
            f"`keras.applications.{name}` cannot be built: {error} "
            f"Received: input_shape={input_shape}"
        ) from error
    features, after = _last_map(stock)
    model = keras.Model(inputs, features, name=stock.name)
    kinds = kinds_named_by_keras(stock.layers)
    new_names = renumbered([layer.name for layer in model.layers], kinds)
    changes = _with_stride_1(model) if last_stride == 1 else {}
    for old, new in new_names.items():
        if old != new:
            changes.setdefault(old, {})["name"] = new
    if changes:
        model = edit_layers(model, changes)
    if module is keras.applications.efficientnet:
        model = _divided_twice(model)

    def imagenet_weights():
        trained = application(weights="imagenet", include_top=include_top)
        return {layer.name: layer.get_weights() for layer in trained.layers}

    return Backbone(
        model=model,
        imagenet_weights=imagenet_weights,
        rename_weights=lambda source: _renamed(source, kinds),
        imagenet_classifier=_classifier(after),
        application=name,
    )


def _find(name):
    """The function of `keras.applications` and the module it comes from."""
    networks = {
        function.__name__: function
        for function in vars(keras.applications).values()
        if inspect.isfunction(function)
    }
    if name not in networks:
        close = difflib.get_close_matches(name, networks, n=3)
        known = close or sorted(networks)
        raise ValueError(
            f"`keras.applications` has no network {name!r}. "
            f"{'Did you mean' if close else 'It has:'} {', '.join(known)}"
            f"{'?' if close else ''}"
        )
    module = networks[name].__module__.rpartition(".")[2]
    return networks[name], getattr(keras.applications, module)


def _preprocess(inputs, module):
    """The module's `preprocess_input` as layers, if it does anything.

    It scales and shifts the channels, and for some networks reverses them.
    Its output for four colours shows how.
    """
    colours = np.concatenate([np.zeros((1, 3)), np.eye(3)])
    answers = module.preprocess_input(
        colours.reshape((4, 1, 1, 3)).astype("float64")
    ).reshape((4, 3))
    offset, scale = answers[0], answers[1:] - answers[0]
    if np.allclose(offset, 0) and np.allclose(scale, np.eye(3)):
        return inputs
    if np.trace(scale) < scale[::-1].trace():
        inputs = ops.flip(inputs, axis=-1)
        scale = scale[::-1]
    return keras.layers.Rescaling(
        np.diag(scale).tolist(), offset=offset.tolist(), name="preprocess"
    )(inputs)


def _last_map(stock):
    """The last map of a network, and the layers that follow it."""
    for index, layer in reversed(list(enumerate(stock.layers))):
        if isinstance(
            layer,
            (
                keras.layers.GlobalAveragePooling2D,
                keras.layers.GlobalMaxPooling2D,
            ),
        ):
            return layer.input, stock.layers[index + 1 :]
    return stock.output, []


def _classifier(layers):
    """Name of the one layer with weights after the pooling, if it is one."""
    weighted = [layer for layer in layers if layer.weights]
    if len(weighted) == 1 and hasattr(weighted[0], "kernel"):
        return weighted[0].name
    return None


def _renamed(source, kinds):
    """Weights under our names; files of Keras 2 have slashes in theirs."""
    new_names = renumbered(source, kinds)
    return {
        new_names.get(name, name).replace("/", "_"): values
        for name, values in source.items()
    }


def _divided_twice(model):
    """EfficientNet with the preprocessing that its ImageNet weights expect.

    They were trained on images divided by the variance; the network divides
    by the standard deviation, and again only where Keras loads them itself.
    """

    def make_layer(before):
        deviations = (0.229, 0.224, 0.225)
        return keras.layers.Rescaling(
            [value**-0.5 for value in deviations], name=f"{before.name}_again"
        )

    return insert_after(model, ["normalization"], make_layer)


def _with_stride_1(model):
    """Changes that give stride 1 to the layers that halve the map last.

    Args:
        model: Functional model up to the map.

    Returns:
        Dictionary for `edit_layers`.

    Raises:
        ValueError: If there are no layers that it could change.
    """
    makers, users, strides = {}, {}, {}
    strided = []
    for operation in model.operations:
        before = tree.flatten(operation.input)
        own = _stride(operation)
        total = own * max((strides[id(tensor)] for tensor in before), default=1)
        for tensor in before:
            users.setdefault(id(tensor), []).append(operation)
        for tensor in tree.flatten(operation.output):
            strides[id(tensor)] = total
            makers[id(tensor)] = operation
        if own > 1:
            strided.append((operation, total))
    last = strides[id(model.output)]
    # Blocks halve in several branches at once.
    layers = [operation for operation, total in strided if total == last]
    if not layers:
        raise ValueError(
            f"`last_stride` cannot be 1: network '{model.name}' has no layer "
            "with a stride that could be changed. Leave it out."
        )
    changes = {}
    for layer in layers:
        changes[layer.name] = {"strides": (1, 1)}
        size = _size(layer)
        if layer.padding == "same" or size == (1, 1):
            continue
        padding = makers[id(layer.input)]
        if not isinstance(padding, keras.layers.ZeroPadding2D):
            changes[layer.name]["padding"] = "same"
            continue
        if any(
            user not in layers or _size(user) != size
            for user in users[id(layer.input)]
        ):
            raise ValueError(
                f"`last_stride` cannot be 1: layer '{padding.name}' of "
                f"network '{model.name}' pads for several layers. Leave it out."
            )
        changes[padding.name] = {
            "padding": tuple(((side - 1) // 2, side // 2) for side in size)
        }
    return changes


def _stride(operation):
    strides = getattr(operation, "strides", 1)
    return max(strides) if isinstance(strides, (tuple, list)) else strides


def _size(layer):
    size = getattr(layer, "kernel_size", None) or layer.pool_size
    return tuple(size) if isinstance(size, (tuple, list)) else (size, size)

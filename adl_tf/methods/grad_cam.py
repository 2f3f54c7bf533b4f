"""Grad-CAM (Selvaraju et al., ICCV 2017), without ReLU, for any classifier."""

import typing

import keras
import numpy as np
from keras import ops

from adl_tf.models.data_formats import data_format_of
from adl_tf.models.surgery import as_functional, clone_graph

# Their maps would have a border that the image has not, or lack one.
_BORDERS = (keras.layers.ZeroPadding2D, keras.layers.Cropping2D)


def grad_cam(model, images, class_ids, layer=None):
    """Feature channels weighted by how much each raises a class.

    The weight of a channel is the mean over space of the gradient of the
    class's logit. Where global average pooling and one Dense layer follow, it
    is the Dense layer's weight divided by the number of places: Grad-CAM and
    the class activation map then agree but for that factor. As in the code of
    the paper's authors, what is negative stays negative.

    Args:
        model: Functional or Sequential Keras classifier, with or without
            models nested in it. If it ends in a softmax or sigmoid, what goes
            into that counts.
        images: Images `(batch, height, width, channels)` as `model` takes
            them.
        class_ids: Integers `(batch,)`.
        layer: Name of the layer whose features are weighted, or `None` for
            the last one with more than one place, where padding and cropping
            do not count. One of a nested model will do.

    Returns:
        float32 tensor `(batch, h, w)`.

    Raises:
        ValueError: If `images` is no batch, there is no such class or layer,
            its output has no height and width, or the model is a subclassed
            one.

    Example:

    >>> model = keras.applications.MobileNet(weights=None)
    >>> maps = grad_cam(model, np.zeros((2, 224, 224, 3)), [3, 8])
    >>> tuple(maps.shape)
    (2, 7, 7)

    Reference:

    - [Selvaraju et al., 2017](https://arxiv.org/abs/1610.02391)
    """
    parts = split(model, layer)
    images = ops.convert_to_tensor(images)
    if len(images.shape) != len(model.input_shape):
        raise ValueError(
            "`images` must be a batch of images, of shape "
            f"{model.input_shape}. Received: images of shape "
            f"{tuple(images.shape)}"
        )
    class_ids = np.asarray(class_ids)
    num_classes = model.output_shape[-1]
    if (
        class_ids.shape != (len(images),)
        or class_ids.dtype.kind not in "iu"
        or not np.all((class_ids >= 0) & (class_ids < num_classes))
    ):
        raise ValueError(
            f"`class_ids` must be integers from 0 to {num_classes - 1}, one an "
            f"image. Received: class_ids={class_ids.tolist()} for "
            f"{len(images)} images"
        )
    to_features, to_logits = parts
    _, maps = logits_and_grad_cam(to_features, to_logits, images, class_ids)
    # PyTorch would go on recording, and refuse to make an array of it.
    return ops.stop_gradient(maps)


def logits_and_grad_cam(to_features, to_logits, images, class_ids):
    """As `grad_cam` of a model that has been split, with its logits.

    Args:
        to_features: Keras model from images to features.
        to_logits: Keras model from features to logits.
        images: As for `grad_cam`.
        class_ids: As for `grad_cam`.

    Returns:
        Tuple of logits `(batch, num_classes)` and maps `(batch, h, w)`.
    """
    features = to_features(images, training=False)

    def score(features):
        logits = to_logits(features, training=False)
        places = ops.one_hot(class_ids, logits.shape[-1], dtype=logits.dtype)
        return ops.sum(logits * places), logits

    gradient, logits = _gradient(score, features)
    features, gradient = (
        ops.cast(each, "float32") for each in (features, gradient)
    )
    if data_format_of(to_features.outputs[0]) == "channels_first":
        weights = ops.mean(gradient, axis=(2, 3))
        return logits, ops.einsum("bchw,bc->bhw", features, weights)
    weights = ops.mean(gradient, axis=(1, 2))
    return logits, ops.einsum("bhwc,bc->bhw", features, weights)


def split(model, layer=None):
    """Cuts a model in two: up to the features, and on to the logits.

    Args:
        model: As for `grad_cam`.
        layer: As for `grad_cam`.

    Returns:
        Tuple of two Keras models, which share the weights of `model`; of a
        last layer with an activation they hold a copy without it.

    Raises:
        ValueError: As `grad_cam`.
    """
    model = as_functional(model)
    calls = _calls(model, model.input)
    spatial = [
        name
        for name, call in calls.items()
        if len(getattr(call.output, "shape", ())) == 4
    ]
    if layer is None:
        computed = [name for name in spatial if _has_places(calls[name])]
        layer = computed[-1] if computed else None
    if layer not in spatial:
        raise ValueError(
            "`layer` must be one whose output has height and width: "
            f"{', '.join(spatial[-20:]) or 'there is none'}. "
            f"Received: layer={layer!r}"
        )
    last = list(calls.values())[-1]
    logits = last.output
    if isinstance(last.layer, keras.layers.Softmax | keras.layers.Activation):
        (logits,) = last.arguments
    elif getattr(last.layer, "activation", None) not in (
        None,
        keras.activations.linear,
    ):
        config = {**last.layer.get_config(), "activation": "linear"}
        linear = last.layer.__class__.from_config(config)
        logits = linear(*last.arguments)
        linear.set_weights(last.layer.get_weights())
    features = calls[layer].output
    return (
        keras.Model(model.input, features),
        keras.Model(features, logits),
    )


class _Call(typing.NamedTuple):
    """A layer, what it was called with and what it answered."""

    layer: keras.Operation
    arguments: tuple
    output: keras.KerasTensor


def _calls(model, inputs):
    """The last call of each layer, when a model is called on `inputs`.

    Nested models are entered: what is inside them is connected to `inputs`,
    too, which their own `output` is not.

    Returns:
        Dictionary from the names of layers to `_Call`, in the order of the
        graph; the name of a nested model has the last call in it.
    """
    calls = {}

    def call(layer, *arguments, **keywords):
        if isinstance(layer, keras.Model) and hasattr(layer, "layers"):
            within = _calls(layer, *arguments)
            calls.update(within)
            made = list(within.values())[-1]
        else:
            output = layer(*arguments, **keywords)
            made = _Call(layer, arguments, output)
        calls.pop(layer.name, None)
        calls[layer.name] = made
        return made.output

    # The layers stay the same; calling them anew is all that is wanted.
    clone_graph(
        model,
        input_tensors=inputs,
        clone_function=lambda layer: layer,
        call_function=call,
    )
    return calls


def _has_places(call):
    """Whether a layer computes features that are not all pooled yet."""
    if isinstance(call.layer, _BORDERS):
        return False
    if data_format_of(call.output) == "channels_first":
        return tuple(call.output.shape[2:]) != (1, 1)
    return tuple(call.output.shape[1:3]) != (1, 1)


def _gradient(score, inputs):
    """Gradient of the first of two things that `score` answers; the second."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(inputs)
            total, rest = score(inputs)
        return tape.gradient(total, inputs), rest
    if backend == "jax":
        import jax

        return jax.grad(score, has_aux=True)(inputs)
    if backend == "torch":
        import torch

        with torch.enable_grad():
            inputs = inputs.detach().requires_grad_()
            total, rest = score(inputs)
            (gradient,) = torch.autograd.grad(total, inputs)
        return gradient, rest.detach()
    raise ValueError(
        "Grad-CAM needs the tensorflow, jax or torch backend. "
        f"Received: backend={backend!r}"
    )

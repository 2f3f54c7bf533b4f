"""Class activation maps of all classes, for the models of `build_model`."""

import keras
from keras import ops

from adl_tf.heatmaps.errors import HeatmapError


def feature_model(model):
    """A model that also returns the features of class activation maps.

    Args:
        model: Keras model that `build_model` made.

    Returns:
        Keras model from images to a tuple of logits `(batch, num_classes)`
        and the features that were pooled, `(batch, height, width, channels)`,
        or the class maps `(batch, height, width, num_classes)` of a model
        that has a layer for them.
    """
    if class_kernel(model) is None:
        features = model.get_layer("class_maps").output
    else:
        features = model.get_layer("gap").input
    return keras.Model(model.input, (model.output, features))


def class_kernel(model):
    """The weights of the channels in the class activation maps of a model.

    Args:
        model: Keras model that `build_model` made.

    Returns:
        Weights `(channels, num_classes)` of its Dense layer, or `None` for a
        model whose last features are the maps of the classes themselves.

    Raises:
        ValueError: If the model has no classifier of that kind.
    """
    if not any(layer.name == "logits" for layer in model.layers):
        raise HeatmapError(
            "Class activation maps need a model that `build_model` made; "
            "`adl_tf.grad_cam` takes any Keras classifier. "
            f"Received: model={model!r}"
        )
    return getattr(model.get_layer("logits"), "kernel", None)


def class_activation_maps(features, kernel, class_ids=None):
    """Sum of the feature channels, weighted as the class weights them.

    Without bias and ReLU, as in the paper's reference.

    Args:
        features: Tensor `(batch, height, width, channels)`.
        kernel: Weights of the classifier, `(channels, num_classes)`, or
            `None` where the channels are those of the classes already.
        class_ids: Integer tensor `(batch,)`, or `None` for all classes.

    Returns:
        float32 tensor `(batch, height, width)` of the classes asked for, or
        `(batch, height, width, num_classes)`.

    Reference:

    - [Zhou et al., 2016](https://arxiv.org/abs/1512.04150)
    """
    features = ops.cast(features, "float32")
    if kernel is None:
        if class_ids is None:
            return features
        channels = ops.reshape(class_ids, (-1, 1, 1, 1))
        return ops.take_along_axis(features, channels, axis=-1)[..., 0]
    kernel = ops.cast(kernel, "float32")
    if class_ids is None:
        return ops.matmul(features, kernel)
    class_weights = ops.take(ops.transpose(kernel), class_ids, axis=0)
    return ops.einsum("bhwc,bc->bhw", features, class_weights)


def class_maps(model, images):
    """Class activation maps of every class.

    Args:
        model: Keras model that `build_model` made.
        images: RGB images `(batch, height, width, 3)` in [0, 255].

    Returns:
        float32 tensor `(batch, h, w, num_classes)`. Its mean over space is
        the logit of each class for `inception_v3`, whose maps include the
        bias, and the logit without the classifier's bias for all others. ACoL
        is the exception: its maps are in [0, 1].

    Example:

    >>> model = build_model("mobilenet_v1", num_classes=25, weights=None)
    >>> class_maps(model, np.zeros((1, 224, 224, 3))).shape
    (1, 14, 14, 25)
    """
    _, features = feature_model(model)(images, training=False)
    # PyTorch cannot convert tensors that record gradients to arrays.
    return ops.stop_gradient(
        class_activation_maps(features, class_kernel(model))
    )

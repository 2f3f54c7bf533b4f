"""The logits of a classifier: the input of its softmax or sigmoid."""

import typing

import keras
from keras import ops

from adl_tf.heatmaps.errors import HeatmapError
from adl_tf.heatmaps.taps import linear

# Layers and operations that only change shape or dtype.
_SAME_NUMBERS = {
    "Cast",
    "Dropout",
    "ExpandDims",
    "Flatten",
    "Identity",
    "Reshape",
    "Squeeze",
}
_SQUASHING = {
    "softmax": "softmax",
    "softmax_v2": "softmax",  # as TensorFlow calls it
    "log_softmax": "softmax",
    "logsoftmax": "softmax",
    "log_softmax_v2": "softmax",
    "sigmoid": "sigmoid",
    "logsigmoid": "sigmoid",
    "log_sigmoid": "sigmoid",
}


class Logits(typing.NamedTuple):
    """Where the logits are found as the model runs.

    Attributes:
        operation: Keras operation to intercept, or `None` for the output of
            the model itself.
        number: Index of its call.
        has_activation: Whether it computes the logits and squashes them, too,
            rather than having them as its input.
        squashed_by: `"softmax"`, `"sigmoid"` or `None`.
    """

    operation: keras.Operation | None
    number: int
    has_activation: bool
    squashed_by: str | None

    def action(self, keep):
        """Replacement of the operation, which passes the logits to `keep`."""

        def squash(compute, *arguments, **keywords):
            logits = (
                arguments[0] if arguments else next(iter(keywords.values()))
            )
            keep(logits)
            return compute(*arguments, **keywords)

        def compute_without_activation(compute, *arguments, **keywords):
            with linear(self.operation):
                logits = compute(*arguments, **keywords)
            keep(logits)
            return self.operation.activation(logits)

        return compute_without_activation if self.has_activation else squash

    def probabilities(self, logits):
        """Probabilities of the classes, from the output of `two_columns`."""
        logits = ops.cast(logits, "float32")
        if self.squashed_by == "sigmoid":
            return ops.sigmoid(logits)
        return ops.softmax(logits)


def find_logits(graph, tensor):
    """Walks back from an output to the input of its softmax or sigmoid.

    Args:
        graph: `Graph` of a classifier.
        tensor: One of its outputs.

    Returns:
        Tuple of `Logits`, and the Keras tensor that they depend on.

    Raises:
        ValueError: If a Lambda layer, or an activation that Keras does not
            know, is on the way: there may be a softmax in it.
    """
    output, call = tensor, graph.maker(tensor)
    while call is not None:
        operation = call.operation
        if isinstance(operation, keras.layers.Lambda):
            raise HeatmapError(
                f"Lambda layer '{operation.name}' comes last, and may hold a "
                "softmax: end the model in the logits, in "
                "`keras.layers.Softmax` or in `keras.ops.softmax`."
            )
        kind = type(operation).__name__
        squashed_by = _SQUASHING.get(kind.lower())
        if squashed_by:
            place = Logits(operation, call.number, False, squashed_by)
            return place, call.inputs[0]
        activation = getattr(operation, "activation", None)
        if activation is not None:
            squashed_by = _squashing(activation, operation)
        if squashed_by:
            place = Logits(operation, call.number, True, squashed_by)
            return place, call.outputs[0]
        if kind not in _SAME_NUMBERS and not (
            kind == "Activation" and activation is keras.activations.linear
        ):
            break
        call = graph.maker(call.inputs[0])
    return Logits(None, 0, False, None), output


def two_columns(logits):
    """Logits `(batch, classes)`, with two columns for a sigmoid.

    Where a classifier has one output, its logit is that of class 1,
    and class 0 has the negative.

    Args:
        logits: Tensor of a batch, whose other axes but one have length 1.

    Returns:
        float32 tensor `(batch, classes)`.

    Raises:
        ValueError: If it has several axes that are longer.
    """
    axes = [length for length in logits.shape[1:] if length != 1]
    if len(axes) > 1:
        raise HeatmapError(
            "A classifier has one logit a class and an image; this output has "
            f"the shape {(None, *logits.shape[1:])}."
        )
    logits = ops.cast(logits, "float32")
    logits = ops.reshape(logits, (-1, axes[0] if axes else 1))
    if logits.shape[-1] == 1:
        return ops.concatenate([-logits, logits], axis=-1)
    return logits


def look_squashed(probabilities):
    """Whether numbers are probabilities rather than logits.

    Args:
        probabilities: Array `(batch, classes)`.

    Returns:
        Bool: they are not negative, and each row has the sum 1.
    """
    sums = probabilities.sum(axis=1)
    return bool((probabilities >= 0).all() and (abs(sums - 1) < 1e-3).all())


def _squashing(activation, layer):
    """Name of a squashing activation, or `None` for any other."""
    known = keras.activations.get
    name = getattr(activation, "__name__", type(activation).__name__).lower()
    if name in _SQUASHING:
        return _SQUASHING[name]
    if isinstance(activation, keras.layers.Layer):
        return None
    try:
        if known(name) is activation:
            return None
    except ValueError:
        pass
    raise HeatmapError(
        f"The activation {name!r} of layer '{layer.name}' is not one of "
        "Keras's, and may hold a softmax: end the model in the logits, or "
        "in `keras.layers.Softmax`."
    )

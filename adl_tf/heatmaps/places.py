"""Features of a classifier that a heatmap is computed from."""

import typing

import keras
from keras import ops

from adl_tf.heatmaps.errors import HeatmapError

# Their maps would have a border that the image lacks, or lack one of its own.
_BORDERS = (keras.layers.ZeroPadding2D, keras.layers.Cropping2D)
# Class token, distillation token, registers.
_MOST_PREFIX_TOKENS = 16


class Place(typing.NamedTuple):
    """A tensor within a model.

    Attributes:
        operation: The Keras operation to intercept.
        number: Index of its call; `None` for a layer within a layer, whose
            calls are not known before it runs.
        reads: Whether the tensor is the input of an attention layer, rather
            than the output of the operation.
        data_format: Of features with height and width, or `None`.
    """

    operation: keras.Operation
    number: int | None
    reads: bool
    data_format: str | None

    @property
    def name(self):
        """Name for messages."""
        return self.operation.name

    def channel_axis(self, tensor):
        """The axis of a tensor there that holds the channels."""
        data_format = self.data_format or keras.config.image_data_format()
        first = len(tensor.shape) == 4 and data_format == "channels_first"
        return 1 if first else len(tensor.shape) - 1

    def action(self, tap):
        """Replacement of the operation, which passes the tensor to `tap`."""

        def answer(compute, *arguments, **keywords):
            return tap(compute(*arguments, **keywords))

        def read(compute, *arguments, **keywords):
            # Query, key and value of self-attention are the same tokens;
            # mixed precision makes copies of them.
            names = ("value", "query")
            tokens = (
                arguments[1]
                if len(arguments) > 1
                else next(keywords[each] for each in names if each in keywords)
            )
            tapped = tap(tokens)

            def swap(value):
                same = ops.is_tensor(value) and value.shape == tokens.shape
                return tapped if same else value

            return compute(
                *map(swap, arguments),
                **{name: swap(value) for name, value in keywords.items()},
            )

        return read if self.reads else answer


def find_place(graph, layer, target, images):
    """Finds the features of a layer, or of the default layer.

    Args:
        graph: `Graph` of a classifier.
        layer: Name of a layer, or the last parts of the path of a layer
            within a layer; `None` for the last layer with more than one
            position that every path from the images passes, where padding and
            cropping do not count; in a transformer, the input of the last
            attention layer.
        target: Keras tensor of the logits.
        images: The input of the images, a Keras tensor.

    Returns:
        `Place`.

    Raises:
        ValueError: If there is none, or `target` does not depend on it.
    """
    if layer is None:
        return _default(graph, target, images)
    if layer in graph.names:
        place = graph.names[layer]
        call = graph.calls[place]
        if _has_one_place(call):
            raise _one_place(layer)
        if not _has_places(call.outputs, tokens=True):
            raise _no_such_layer(graph, layer)
        if not graph.reaches(place, target):
            raise HeatmapError(
                f"Layer '{layer}' has nothing to do with the output: no path "
                "leads from it to the logits."
            )
        if _is_patch_embedding(call) and _attentions(graph, place):
            raise HeatmapError(
                f"Layer '{layer}' cuts the image into patches, before anything "
                "is computed of them: name one that comes after an attention "
                "layer, or none."
            )
        return Place(call.operation, call.number, False, call.data_format)
    return _within(graph, layer)


def to_grid(tensor, place, image_size):
    """Features in the one layout that heatmaps are computed in.

    Args:
        tensor: Features `(batch, height, width, channels)`, in either data
            format, or tokens `(batch, tokens, channels)`.
        place: `Place` of the tensor.
        image_size: Height and width of the images in pixels.

    Returns:
        float32 tensor `(batch, h, w, channels)`.

    Raises:
        ValueError: If it has only one position, or is neither of the two.
    """
    tensor = ops.cast(tensor, "float32")
    if len(tensor.shape) == 3:
        prefix, height, width = grid_of(tensor.shape[1], image_size, place.name)
        shape = (-1, height, width, tensor.shape[2])
        return ops.reshape(tensor[:, prefix:], shape)
    if len(tensor.shape) != 4:
        raise HeatmapError(
            f"Layer '{place.name}' has neither height and width nor tokens: "
            f"its output has the shape {(None, *tensor.shape[1:])}."
        )
    if place.channel_axis(tensor) == 1:
        tensor = ops.transpose(tensor, (0, 2, 3, 1))
    if tuple(tensor.shape[1:3]) == (1, 1):
        raise _one_place(place.name)
    return tensor


def grid_of(tokens, image_size, name="of tokens"):
    """Height and width of the patches that tokens stand for.

    Args:
        tokens: Number of tokens.
        image_size: Height and width of the images in pixels.
        name: Name of their layer, for messages.

    Returns:
        Tuple of the number of tokens before them (class token and the like),
        rows and columns.

    Raises:
        ValueError: If no square patch gives that number.
    """
    height, width = image_size
    for prefix in range(min(_MOST_PREFIX_TOKENS, tokens) + 1):
        for side in range(1, min(height, width) // 2 + 1):
            rows, columns = height // side, width // side
            if rows * columns == tokens - prefix > 1:
                return prefix, rows, columns
    raise HeatmapError(
        f"The {tokens} tokens of layer '{name}' are no grid of square patches "
        f"of images of {height}x{width} pixels."
    )


def is_attention(layer):
    """Whether a layer is a multi-head attention."""
    return isinstance(
        layer,
        keras.layers.MultiHeadAttention | keras.layers.GroupQueryAttention,
    )


def attention_layers(graph):
    """The attention layers of a model, those within layers included.

    Returns:
        List of tuples of a layer and the number of the call, `None` for a
        layer within a layer.
    """
    return _attentions(graph, 0)


def _default(graph, target, images):
    passed = graph.passed_by_all([images], target)
    spatial = [
        place
        for place in sorted(passed)
        if _has_places(graph.calls[place].outputs)
        and not _has_one_place(graph.calls[place])
        and not isinstance(graph.calls[place].operation, _BORDERS)
    ]
    last = spatial[-1] if spatial else 0
    attentions = _attentions(graph, last)
    if attentions:
        layer, number = attentions[-1]
        return Place(layer, number, True, None)
    if not spatial:
        raise _no_such_layer(graph, None)
    call = graph.calls[last]
    return Place(call.operation, call.number, False, call.data_format)


def _within(graph, layer):
    """A layer within a layer of the graph."""
    wanted = str(layer).split("/")
    found = {
        id(each): each
        for call in graph.calls
        for each in _sublayers(call.operation)
        if layer
        and (each.path or each.name).split("/")[-len(wanted) :] == wanted
    }
    if not found:
        raise _no_such_layer(graph, layer)
    if len(found) > 1:
        paths = [each.path for each in found.values()]
        raise HeatmapError(
            f"{len(found)} layers have the name '{layer}': {', '.join(paths)}. "
            "Name one with as much of its path as tells them apart."
        )
    (operation,) = found.values()
    data_format = getattr(operation, "data_format", None)
    return Place(operation, None, False, data_format)


def _sublayers(operation):
    if not isinstance(operation, keras.Layer):
        return []
    return operation._flatten_layers(include_self=False, recursive=True)


def _attentions(graph, begin):
    found = []
    for call in graph.calls[begin:]:
        if is_attention(call.operation):
            found.append((call.operation, call.number))
        else:
            found += [
                (each, None)
                for each in _sublayers(call.operation)
                if is_attention(each)
            ]
    return found


def _has_places(outputs, tokens=False):
    """Whether features are not all pooled yet."""
    if len(outputs) != 1:
        return False
    shape = outputs[0].shape
    if len(shape) == 3:
        return tokens
    # One of two axes is enough; the data format says which they are.
    return len(shape) == 4 and sum(each != 1 for each in shape[1:]) > 1


def _has_one_place(call):
    """Whether features have height and width, both 1."""
    if len(call.outputs) != 1 or len(call.outputs[0].shape) != 4:
        return False
    shape = call.outputs[0].shape
    first = call.data_format == "channels_first"
    return tuple(shape[2:] if first else shape[1:3]) == (1, 1)


def _one_place(name):
    return HeatmapError(
        f"The map of layer '{name}' has one place, which says nothing of "
        "where: name a layer before it, or enlarge the images."
    )


def _is_patch_embedding(call):
    kernel, strides = (
        getattr(call.operation, each, None)
        for each in ("kernel_size", "strides")
    )
    return kernel is not None and kernel == strides and max(strides) > 2


def _no_such_layer(graph, layer):
    spatial = [
        name
        for name, place in graph.names.items()
        if _has_places(graph.calls[place].outputs)
    ]
    return HeatmapError(
        "`layer` must be one whose output has height and width: "
        f"{', '.join(spatial[-20:]) or 'there is none'}. "
        f"Received: layer={layer!r}"
    )

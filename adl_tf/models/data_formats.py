"""Data format of a feature map in a graph."""

import keras


def data_format_of(tensor):
    """The data format of the nearest layer before a tensor that has one.

    Args:
        tensor: 4D Keras tensor of a functional graph.

    Returns:
        `"channels_last"` or `"channels_first"`: that of a convolution, a
        pooling or the like; `keras.config.image_data_format()` where no
        layer before it has one.
    """
    tensors, seen = [tensor], set()
    while tensors:
        before = []
        for each in tensors:
            operation, node, _ = each._keras_history
            # Permuted tensors have another format than the layers before.
            if (operation, node) in seen or isinstance(
                operation, keras.layers.Permute
            ):
                continue
            seen.add((operation, node))
            found = getattr(operation, "data_format", None)
            # Flatten has one too, but its input need not be a feature map.
            if found and not isinstance(operation, keras.layers.Flatten):
                return found
            if isinstance(operation, keras.Model):
                before += operation.outputs
            elif operation is not None:
                before += operation._inbound_nodes[node].input_tensors
        tensors = before
    return keras.config.image_data_format()

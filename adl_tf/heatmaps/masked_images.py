"""Scores of many variants of each image, computed in batches."""

from keras import ops


def in_batches(function, images, count, batch_size):
    """Computes a score for every variant of every image.

    Args:
        function: Function from the index of an image, `()`, and the indices of
            some of its variants, `(size,)`, to a tensor `(size,)`.
        images: Number of images.
        count: Number of variants of an image.
        batch_size: The largest number of variants at a time.

    Returns:
        Tensor `(images, count)`.
    """
    # The largest size that leaves no remainder.
    size = max(n for n in range(1, batch_size + 1) if count % n == 0)
    numbers = ops.arange(images * count, dtype="int32")
    found = ops.map(
        lambda those: function(those[0] // count, those % count),
        ops.reshape(numbers, (-1, size)),
    )
    return ops.reshape(found, (-1, count))


def masked_by(masks, images, background, probe):
    """Images where masks are 1, the background where they are 0.

    Args:
        masks: Tensor `(batch, height, width)` in [0, 1].
        images: Tensor `(batch, height, width, channels)`, or channels first.
        background: A number, or one per channel, in the units of the images.
        probe: `Probe` of the model that takes them.

    Returns:
        float32 tensor of the shape of `images`.
    """
    axis = probe.channel_axis
    background = ops.reshape(
        ops.convert_to_tensor(background, "float32"),
        [-1 if each == axis else 1 for each in range(4)],
    )
    masks = ops.expand_dims(masks, axis)
    return background + masks * (ops.cast(images, "float32") - background)

"""Decoding in the exported graph: a bad image does not fail its batch."""

import tensorflow as tf

from adl_tf.datasets import decoding


def decode_images(image_bytes, side, warp_rule="bilinear"):
    """Decodes images and warps them to squares.

    An image that cannot be decoded does not fail the others: a pipeline of
    one element, which may ignore errors, is made for each.

    Args:
        image_bytes: String tensor `(batch,)` of encoded images.
        side: Side of the squares in pixels.
        warp_rule: As `rule` of `decoding.warp`.

    Returns:
        Tuple of the uint8 images `(batch, side, side, 3)`, RGB, and the int32
        width and height of the images as given `(batch, 2)`; zeros for one
        that `decoding.decode` refuses.
    """
    blank = (tf.zeros((side, side, 3), tf.uint8), tf.zeros((2,), tf.int32))

    def decode(encoded):
        image = decoding.decode(encoded)
        warped = decoding.warp(image, side, warp_rule)
        return warped, tf.gather(tf.shape(image), [1, 0])

    def decode_or_blank(encoded):
        decoded = tf.data.Dataset.from_tensors(encoded).map(decode)
        instead = tf.data.Dataset.from_tensors(blank)
        first = decoded.ignore_errors().concatenate(instead).take(1)
        return first.get_single_element()

    # Graphs of tf.data and of decoders are for processors alone.
    with tf.device("CPU"):
        return tf.map_fn(
            decode_or_blank,
            image_bytes,
            fn_output_signature=(
                tf.TensorSpec((side, side, 3), tf.uint8),
                tf.TensorSpec((2,), tf.int32),
            ),
        )

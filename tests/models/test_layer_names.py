"""Names that Keras numbers."""

import keras

from adl_tf.models.layer_names import (
    in_order_of_making,
    kinds_named_by_keras,
    renumbered,
)


def test_order_is_that_of_the_numbers():
    names = ["conv2d_10", "conv2d_9", "conv2d", "conv2d_bn", "my_conv2d_1"]
    assert in_order_of_making(names, "conv2d") == [
        "conv2d",
        "conv2d_9",
        "conv2d_10",
    ]


def test_numbers_start_anew():
    names = ["add_7", "conv2d_12", "conv2d_9", "conv_3"]
    assert renumbered(names, ["conv2d", "add"]) == {
        "conv2d_9": "conv2d",
        "conv2d_12": "conv2d_1",
        "add_7": "add",
    }


def test_kinds():
    layers = [
        keras.layers.MaxPooling2D(),
        keras.layers.BatchNormalization(),
        keras.layers.Conv2D(1, 1, name="conv_1"),
    ]
    assert kinds_named_by_keras(layers) == [
        "batch_normalization",
        "max_pooling2d",
    ]

"""A small network to train from scratch, used by the quick start."""

import keras

from adl_tf.models.backbone import Backbone

# Filters, kernel size and stride of each convolution.
_CONVOLUTIONS = ((24, 5, 2), (48, 3, 2), (96, 3, 2), (160, 1, 1))


def small_cnn(input_shape=(112, 112, 3)):
    """Four convolutions with batch normalization; trains in a minute or two.

    Its features have an eighth of the input's size, 14x14 for 112x112 pixels,
    and a small receptive field: they see only a part of the object.

    Args:
        input_shape: Tuple `(height, width, 3)`.

    Returns:
        `Backbone`, with ADL after the last convolution.
    """
    inputs = keras.Input(input_shape, name="image")
    features = keras.layers.Rescaling(1 / 64, offset=-2, name="preprocess")(
        inputs
    )
    for number, (filters, size, stride) in enumerate(_CONVOLUTIONS, start=1):
        features = keras.layers.Conv2D(
            filters,
            size,
            strides=stride,
            padding="same",
            use_bias=False,
            kernel_initializer="he_normal",
            name=f"conv{number}",
        )(features)
        # Short trainings need moving averages that adapt quickly.
        features = keras.layers.BatchNormalization(
            momentum=0.9, name=f"conv{number}_bn"
        )(features)
        features = keras.layers.ReLU(name=f"conv{number}_relu")(features)
    return Backbone(
        model=keras.Model(inputs, features, name="small_cnn"),
        adl_positions=("conv4_relu",),
        adl_gamma=0.8,
        spg_positions=("conv2_relu", "conv3_relu", "conv4_relu"),
    )

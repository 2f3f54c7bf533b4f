"""A small plain network to train from scratch: the quick start's."""

import keras

from adl_tf.models.backbone import Backbone


def small_cnn(input_shape=(112, 112, 3), width=32):
    """Seven 3x3 convolutions with batch normalization, three poolings.

    Args:
        input_shape: Tuple `(height, width, 3)`.
        width: Number of filters of the first stage.

    Returns:
        `Backbone` whose features have an eighth of the input's size.
    """
    inputs = keras.Input(input_shape, name="image")
    features = keras.layers.Rescaling(1 / 127.5, offset=-1, name="preprocess")(
        inputs
    )
    for stage, (filters, depth) in enumerate(
        [(width, 1), (2 * width, 2), (4 * width, 2), (4 * width, 2)], start=1
    ):
        for index in range(1, depth + 1):
            name = f"block{stage}_conv{index}"
            features = keras.layers.Conv2D(
                filters,
                3,
                padding="same",
                use_bias=False,
                kernel_initializer="he_normal",
                name=name,
            )(features)
            features = keras.layers.BatchNormalization(name=f"{name}_bn")(
                features
            )
            features = keras.layers.ReLU(name=f"{name}_relu")(features)
        if stage < 4:
            features = keras.layers.MaxPooling2D(name=f"block{stage}_pool")(
                features
            )
    return Backbone(
        model=keras.Model(inputs, features, name="small_cnn"),
        adl_positions=("block3_pool", "block4_conv2_relu"),
        adl_gamma=0.8,
    )

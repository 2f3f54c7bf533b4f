"""VGG-GAP: VGG16 without its fully connected layers (spec B.1)."""

import keras

from adl_tf.models.backbone import Backbone
from adl_tf.models.preprocessing import subtract_mean


def vgg_gap(input_shape=(224, 224, 3)):
    """`keras.applications.VGG16` up to `block5_conv3` and one new convolution.

    The last pooling layer is gone, so that a 224x224 picture gives 14x14
    features, and a 3x3 convolution with 1024 filters follows.

    Args:
        input_shape: Tuple `(height, width, 3)`.

    Returns:
        `Backbone`, with the ADL positions of the paper's Table 3: after pool3,
        pool4 and conv5-3.
    """
    inputs = keras.Input(input_shape, name="image")
    stock = keras.applications.VGG16(
        input_tensor=subtract_mean(inputs), include_top=False, weights=None
    )
    features = keras.layers.Conv2D(
        1024,
        3,
        padding="same",
        activation="relu",
        kernel_initializer="he_normal",
        name="conv6",
    )(stock.get_layer("block5_conv3").output)
    return Backbone(
        model=keras.Model(inputs, features, name="vgg_gap"),
        new_layers=("conv6",),
        imagenet_weights=_imagenet_weights,
        adl_positions=("block3_pool", "block4_pool", "block5_conv3"),
        adl_gamma=0.8,
    )


def _imagenet_weights():
    stock = keras.applications.VGG16(weights="imagenet", include_top=False)
    return {layer.name: layer.get_weights() for layer in stock.layers}

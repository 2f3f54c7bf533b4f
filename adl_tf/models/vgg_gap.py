"""VGG-GAP: VGG16 without its fully connected layers."""

import keras

from adl_tf.models.backbone import Backbone
from adl_tf.models.preprocessing import subtract_mean
from adl_tf.models.surgery import remove_layers


def vgg_gap(input_shape=(224, 224, 3), map_stride=16):
    """`keras.applications.VGG16` up to `block5_conv3` and one new convolution.

    The last pooling layer is gone, so that a 224x224 image gives 14x14
    features, and a 3x3 convolution with 1024 filters follows.

    Args:
        input_shape: Tuple `(height, width, 3)`.
        map_stride: Pixels of the image for one place of the map: 16 (14x14
            for a 224x224 image, the paper) or 8 (28x28: without pool4, as in
            the authors' later comparison).

    Returns:
        `Backbone`, with the ADL positions of the paper's Table 3: after pool3,
        pool4 (conv4-3, where there is no pool4) and conv5-3.

    Raises:
        ValueError: If `map_stride` is another number.
    """
    if map_stride not in (8, 16):
        raise ValueError(
            f"`map_stride` must be 8 or 16. Received: map_stride={map_stride}"
        )
    inputs = keras.Input(input_shape, name="image")
    stock = keras.applications.VGG16(
        input_tensor=subtract_mean(inputs), include_top=False, weights=None
    )
    model = keras.Model(inputs, stock.get_layer("block5_conv3").output)
    positions = ["block3_pool", "block4_pool", "block5_conv3"]
    if map_stride == 8:
        model = remove_layers(model, ["block4_pool"])
        positions[1] = "block4_conv3"
    features = keras.layers.Conv2D(
        1024,
        3,
        padding="same",
        activation="relu",
        kernel_initializer="he_normal",
        name="conv6",
    )(model.output)
    return Backbone(
        model=keras.Model(model.input, features, name="vgg_gap"),
        new_layers=("conv6",),
        imagenet_weights=_imagenet_weights,
        adl_positions=tuple(positions),
        adl_gamma=0.8,
        spg_positions=("block4_conv3", "block5_conv3", "conv6"),
        acol_position="block5_conv3",
        acol_pooling=True,
    )


def _imagenet_weights():
    stock = keras.applications.VGG16(weights="imagenet", include_top=False)
    return {layer.name: layer.get_weights() for layer in stock.layers}

"""ResNet50 with Squeeze-and-Excitation and a 14x14 feature map."""

import keras

from adl_tf.errors import DataError
from adl_tf.models.backbone import Backbone, require_one_of
from adl_tf.models.resnet50 import (
    ADL_GAMMA,
    ADL_POSITIONS,
    FAST_LAYERS,
    SPG_FILTERS,
    SPG_POSITIONS,
    last_strides,
    v1_5_model,
)
from adl_tf.models.variants import OTHERWISE


def resnet50_se(
    input_shape=(224, 224, 3),
    last_stride=1,
    variant="tensorpack",
    map_stride=None,
):
    """The authors' ResNet50-SE: stride in the 3x3 convolutions, reduction 16.

    Keras has no weights for it. Those that the authors fine-tuned from are
    Tensorpack's `ImageNet-ResNet50-SE.npz` (models.tensorpack.com), so its
    network is the default: BGR, standardized, with strided layers padded as
    TensorFlow's "same". A `state_dict` of timm's `seresnet50` makes it
    `"pytorch"`: RGB, strided layers padded on all sides.

    Args:
        input_shape: Tuple `(height, width, 3)`; multiples of 32.
        last_stride: 1 (the paper: 14x14 features for a 224x224 image) or 2
            (as the weights were trained: 7x7). The weights fit both.
        variant: `"tensorpack"` or `"pytorch"`. Where weights are given, their
            file decides (see `adl_tf.models.variants`).
        map_stride: See `resnet50`.

    Returns:
        `Backbone`, with the ADL positions of the authors' code. The layers
        have the names of `keras.applications.ResNet50`, and
        `conv2_block1_se` and the like.

    Raises:
        DataError: If the weights are Keras's.
        ValueError: If an option has another value.
    """
    strides = last_strides(last_stride, map_stride)
    if variant == "keras":
        raise DataError(f"Keras has no weights of resnet50_se: {OTHERWISE}")
    require_one_of("variant", variant, ("tensorpack", "pytorch"))
    inputs = keras.Input(input_shape, name="image")
    return Backbone(
        model=v1_5_model(
            inputs, variant, strides, name="resnet50_se", reduction=16
        ),
        adl_positions=ADL_POSITIONS,
        adl_gamma=ADL_GAMMA,
        initializer="he_normal",  # Tensorpack's default
        spg_positions=SPG_POSITIONS,
        spg_filters=SPG_FILTERS,
        fast_layers=FAST_LAYERS,
        method_layers_fast=False,
    )

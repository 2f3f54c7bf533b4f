"""MobileNetV1 with a 14x14 feature map."""

import functools

import keras

from adl_tf.models.backbone import Backbone
from adl_tf.models.surgery import edit_layers


def mobilenet_v1(
    input_shape=(224, 224, 3), last_stride=1, width=1.0, dilated=False
):
    """`keras.applications.MobileNet` with stride 1 in its last strided layer.

    Args:
        input_shape: Tuple `(height, width, 3)`.
        last_stride: 1 (the paper: 14x14 features for a 224x224 image) or 2
            (the stock network: 7x7). The weights fit both.
        width: Factor of the number of filters of every layer. ImageNet
            weights exist for 0.25, 0.5, 0.75 and 1.0.
        dilated: Whether the depthwise convolution after the one whose stride
            is 1 now is dilated by 2, so that its receptive field is that of the
            network in which the weights were trained.

    Returns:
        `Backbone`. The ADL position is our choice, since the paper gives none
        for MobileNetV1: after the last block. In most blocks before it the
        strongest attention is at the border of the image, where there is
        nothing to hide (`experiments.positions`).

    Raises:
        ValueError: If `last_stride` or `width` is invalid, or `dilated` is used
            with a stride of 2.
    """
    if last_stride not in (1, 2):
        raise ValueError(
            f"`last_stride` must be 1 or 2. Received: last_stride={last_stride}"
        )
    if dilated and last_stride == 2:
        raise ValueError(
            "`dilated` makes up for a last stride of 1. "
            f"Received: dilated={dilated}, last_stride={last_stride}"
        )
    # The narrowest layer has 32 filters at width 1.
    if isinstance(width, str) or not width >= 1 / 32:
        raise ValueError(
            f"`width` must be 1/32 or more, 1.0 for the network of the paper. "
            f"Received: width={width!r}"
        )
    inputs = keras.Input(input_shape, name="image")
    scaled = keras.layers.Rescaling(1 / 127.5, offset=-1, name="preprocess")
    stock = keras.applications.MobileNet(
        input_tensor=scaled(inputs),
        alpha=width,
        include_top=False,
        weights=None,
    )
    model = keras.Model(inputs, stock.output, name="mobilenet_v1")
    if last_stride == 1:
        # Keras pads before a strided convolution by hand, on one side only.
        changes = {
            "conv_pad_12": {"padding": ((1, 1), (1, 1))},
            "conv_dw_12": {"strides": (1, 1)},
        }
        if dilated:
            changes["conv_dw_13"] = {"dilation_rate": (2, 2)}
        model = edit_layers(model, changes)
    return Backbone(
        model=model,
        imagenet_weights=functools.partial(_imagenet_weights, width),
        imagenet_classifier="conv_preds",
        adl_positions=("conv_pw_13_relu",),
        adl_gamma=0.95,
        spg_positions=(
            "conv_pw_6_relu",
            "conv_pw_11_relu",
            "conv_pw_13_relu",
        ),
    )


def _imagenet_weights(width):
    stock = keras.applications.MobileNet(alpha=width, weights="imagenet")
    return {layer.name: layer.get_weights() for layer in stock.layers}

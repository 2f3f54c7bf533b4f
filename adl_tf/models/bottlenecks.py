"""ResNet50 with its strides in the 3x3 convolutions (v1.5)."""

import keras

from adl_tf.layers.squeeze_excite import SqueezeExcite

_FILTERS = (64, 128, 256, 512)
_BLOCKS = (3, 4, 6, 3)
# Of batch normalization: the authors' code, and PyTorch's default of 0.1.
MOMENTUM = 0.9


def bottleneck_features(images, padding, last_strides, reduction=None):
    """The convolutions of ResNet50, named as `keras.applications` names them.

    Convolutions have no biases; the last normalization of each block starts
    with gamma 0, so that every block starts as its shortcut.

    Args:
        images: Preprocessed tensor `(batch, height, width, 3)`.
        padding: How strided layers are padded: `"symmetric"` (PyTorch) or
            `"same"` (TensorFlow: for even sizes more at the right and lower
            end, so that the same weights apply to other pixels).
        last_strides: Strides of the last two of the four stages, 1 or 2 each.
        reduction: Reduction of a `SqueezeExcite` layer before each addition,
            or `None` for the plain network.

    Returns:
        Tensor `(batch, height / s, width / s, 2048)`, where `s` is 8 times
        the last strides.
    """
    features = _convolve(images, 64, 7, 2, padding, "conv1")
    features = _relu(features, "conv1_relu")
    # The pooled features are not negative: zero padding changes nothing.
    if padding == "symmetric":
        features = keras.layers.ZeroPadding2D(1, name="pool1_pad")(features)
    features = keras.layers.MaxPooling2D(
        3,
        strides=2,
        padding="valid" if padding == "symmetric" else "same",
        name="pool1_pool",
    )(features)
    for stage, (filters, blocks, stride) in enumerate(
        zip(_FILTERS, _BLOCKS, (1, 2, *last_strides)), start=2
    ):
        for block in range(1, blocks + 1):
            features = _bottleneck(
                features,
                filters,
                stride if block == 1 else 1,
                padding,
                reduction,
                f"conv{stage}_block{block}",
            )
    return features


def _bottleneck(inputs, filters, stride, padding, reduction, name):
    shortcut = inputs
    if inputs.shape[-1] != 4 * filters:
        shortcut = _convolve(
            inputs, 4 * filters, 1, stride, padding, f"{name}_0"
        )
    features = _convolve(inputs, filters, 1, 1, padding, f"{name}_1")
    features = _relu(features, f"{name}_1_relu")
    features = _convolve(features, filters, 3, stride, padding, f"{name}_2")
    features = _relu(features, f"{name}_2_relu")
    features = _convolve(
        features, 4 * filters, 1, 1, padding, f"{name}_3", gamma="zeros"
    )
    if reduction is not None:
        features = SqueezeExcite(reduction, name=f"{name}_se")(features)
    features = keras.layers.Add(name=f"{name}_add")([shortcut, features])
    return _relu(features, f"{name}_out")


def _convolve(inputs, filters, size, stride, padding, name, gamma="ones"):
    """Convolution and batch normalization."""
    layer_padding = "same"
    if padding == "symmetric" and stride > 1 and size > 1:
        inputs = keras.layers.ZeroPadding2D(size // 2, name=f"{name}_pad")(
            inputs
        )
        layer_padding = "valid"
    features = keras.layers.Conv2D(
        filters,
        size,
        strides=stride,
        padding=layer_padding,
        use_bias=False,
        kernel_initializer=keras.initializers.VarianceScaling(2.0, "fan_out"),
        name=f"{name}_conv",
    )(inputs)
    return keras.layers.BatchNormalization(
        momentum=MOMENTUM,
        epsilon=1e-5,
        gamma_initializer=gamma,
        name=f"{name}_bn",
    )(features)


def _relu(inputs, name):
    return keras.layers.Activation("relu", name=name)(inputs)

"""Attention-based Dropout Layer (Choe & Shim, CVPR 2019, section 3)."""

import keras
from keras import ops

from adl_tf.layers.data_format import standardized
from adl_tf.layers.draws import branch, draw
from adl_tf.layers.shares import check_share


def adl_maps(features, gamma, data_format=None):
    """The three maps of ADL, computed without any parameter.

    With the features `F` of one image:

        attention  = mean of F over its channels
        drop mask  = 0 where attention >= gamma * max(attention), else 1
        importance = sigmoid(attention)

    The strongest position is always dropped; if the attention is the same
    everywhere, all positions are. (After a ReLU it cannot be negative.)
    Gradient flows through the importance map, and none through the drop mask.

    Args:
        features: Tensor of shape `(batch, height, width, channels)`, or
            `(batch, channels, height, width)` with `"channels_first"`.
        gamma: Float in [0, 1]. Threshold of the drop mask, as a share of each
            image's largest attention.
        data_format: `"channels_last"`, `"channels_first"` or `None` for
            `keras.config.image_data_format()`.

    Returns:
        Tuple `(attention, drop_mask, importance_map)`. Each has the shape of
        `features` with one channel. Half precision is widened to float32:
        a mean over many channels needs it.

    Raises:
        ValueError: If an argument is out of range or the features are not 4D.

    Example:

    >>> features = keras.random.uniform((1, 14, 14, 512))
    >>> attention, drop_mask, importance_map = adl_maps(features, gamma=0.8)
    >>> drop_mask.shape
    (1, 14, 14, 1)

    Reference:

    - [Choe & Shim, 2019](https://arxiv.org/abs/1908.10028), section 3
    """
    check_share("gamma", gamma)
    channel_axis, spatial_axes = _axes(data_format)
    features = ops.convert_to_tensor(features)
    if len(features.shape) != 4:
        raise ValueError(
            f"`features`: expected ndim=4, found ndim={len(features.shape)}. "
            f"Received: features of shape {tuple(features.shape)}"
        )
    if keras.backend.standardize_dtype(features.dtype) != "float64":
        features = ops.cast(features, "float32")
    attention = ops.mean(features, axis=channel_axis, keepdims=True)
    threshold = gamma * _largest(attention, spatial_axes)
    drop_mask = ops.cast(ops.less(attention, threshold), attention.dtype)
    return attention, drop_mask, ops.sigmoid(attention)


@keras.saving.register_keras_serializable(package="adl_tf")
class ADLLayer(keras.layers.Layer):
    """Hides the strongest part of a feature map, or highlights it, at random.

    During training, each step multiplies the input by one of two maps that
    are computed from the input itself: with probability `drop_rate` by a drop
    mask, which is zero where the channel mean reaches `gamma` times its
    maximum; with probability `importance_rate` by an importance map, the
    sigmoid of the channel mean. The input passes unchanged in the remaining
    steps. A classifier trained this way can no longer rely on the most
    discriminative part alone, and its class activation maps cover the whole
    object. The layer has no weights, does not rescale, and is the identity at
    inference.

    Only the map that was drawn is computed. The published code computes both
    and multiplies one by 0, which differs only for features with NaN or
    infinity: there, the map that was not drawn makes the output NaN; here, it
    does not.

    Place it after a ReLU, at intermediate and high levels of the network: on
    VGG16 after `block3_pool`, `block4_pool` and `block5_conv3`.

    Args:
        drop_rate: Float in [0, 1]. Share of the steps that apply the drop
            mask. Defaults to `0.75`.
        gamma: Float in [0, 1]. Threshold of the drop mask as a share of each
            image's largest attention; lower values hide more. The paper uses
            0.8 for VGG-GAP and InceptionV3, 0.9 for ResNet50, 0.95 for
            MobileNetV1. Defaults to `0.8`.
        importance_rate: Float in [0, 1 - drop_rate], share of the steps that
            apply the importance map. `None` (default) means `1 - drop_rate`.
        selection: `"batch"` draws once for all images of a step, as the
            original does; `"sample"` draws for each image. Every replica of
            a `tf.distribute` strategy draws for itself. Defaults to
            `"batch"`.
        data_format: `"channels_last"`, `"channels_first"` or `None` for
            `keras.config.image_data_format()`. Defaults to `None`.
        seed: Integer to use as random seed, or `None`.
        **kwargs: `name`, `dtype` and the like, of `keras.layers.Layer`.

    Call arguments:
        inputs: A 4D tensor. It should not be negative (after a ReLU): the
            paper defines the importance map for such features.
        training: Python boolean: whether to apply ADL or to pass `inputs`
            through.

    Input shape:
        `(batch, height, width, channels)`, or `(batch, channels, height,
        width)` with `"channels_first"`; all but the channels may be unknown.

    Output shape:
        The same as the input shape.

    Raises:
        ValueError: If an argument is out of range or the input is not 4D.

    Example:

    >>> layer = ADLLayer(drop_rate=0.75, gamma=0.9)
    >>> features = keras.random.uniform((8, 14, 14, 512))
    >>> layer(features, training=True).shape
    (8, 14, 14, 512)

    Reference:

    - [Choe & Shim, 2019](https://arxiv.org/abs/1908.10028)
    """

    def __init__(
        self,
        drop_rate=0.75,
        gamma=0.8,
        importance_rate=None,
        selection="batch",
        data_format=None,
        seed=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_share("drop_rate", drop_rate)
        check_share("gamma", gamma)
        if importance_rate is not None:
            check_share(
                "importance_rate",
                importance_rate,
                1.0 - drop_rate,
                upper_name="1 - drop_rate",
            )
        if selection not in ("batch", "sample"):
            raise ValueError(
                "`selection` must be 'batch' or 'sample'. "
                f"Received: selection={selection!r}"
            )
        self.drop_rate = drop_rate
        self.gamma = gamma
        self.importance_rate = importance_rate
        self.selection = selection
        self.data_format = standardized(data_format)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.input_spec = keras.layers.InputSpec(ndim=4)
        self.built = True

    def call(self, inputs, training=False):
        if not training:
            return inputs
        each = self.selection == "sample"
        shape = (ops.shape(inputs)[0], 1, 1, 1) if each else ()
        drawn = draw(keras.random.uniform, shape, self.seed_generator)

        def maps():
            return adl_maps(inputs, self.gamma, self.data_format)

        def times(factor):
            return inputs * ops.cast(factor, inputs.dtype)

        if not each and self.importance_rate is None:
            # One branch for all images: the other is not computed, nor its
            # gradient. (TensorFlow warns of a branch within a branch.)
            return branch(
                drawn < self.drop_rate,
                lambda: times(maps()[1]),
                lambda: times(maps()[2]),
            )
        _, drop_mask, factor = maps()
        if self.importance_rate is not None:
            rate = self.drop_rate + self.importance_rate
            factor = ops.where(drawn < rate, factor, 1.0)
        return times(ops.where(drawn < self.drop_rate, drop_mask, factor))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        config = super().get_config()
        config.update(
            {
                "drop_rate": self.drop_rate,
                "gamma": self.gamma,
                "importance_rate": self.importance_rate,
                "selection": self.selection,
                "data_format": self.data_format,
                "seed": self.seed,
            }
        )
        return config


def _largest(attention, axes):
    """The maximum of each image. An empty batch is allowed."""
    # Keras refuses empty tensors in `max` without an initial value, and with
    # PyTorch it puts that value on the CPU, wherever the features are.
    if keras.backend.backend() == "torch":
        return ops.amax(attention, axis=axes, keepdims=True)
    return ops.max(attention, axis=axes, keepdims=True, initial=-float("inf"))


def _axes(data_format):
    """The channel axis and the two spatial axes of a 4D tensor."""
    if standardized(data_format) == "channels_last":
        return 3, (1, 2)
    return 1, (2, 3)

"""Squeeze-and-Excitation (Hu et al., CVPR 2018)."""

import numbers

import keras
from keras import ops

from adl_tf.layers.data_format import standardized


@keras.saving.register_keras_serializable(package="adl_tf")
class SqueezeExcite(keras.layers.Layer):
    """Weights the channels of a feature map by a function of their means.

    The mean of each channel goes through two fully connected layers with
    biases, the first with `channels / reduction` units and ReLU, the second
    with as many as there are channels and a sigmoid; each channel is
    multiplied by its output. In a residual network the layer stands at the end
    of the residual branch, before the addition.

    Args:
        reduction: Integer. The first fully connected layer has `channels /
            reduction` units. Defaults to `16`.
        data_format: `"channels_last"`, `"channels_first"` or `None` for
            `keras.config.image_data_format()`. Defaults to `None`.
        **kwargs: `name`, `dtype` and the like, of `keras.layers.Layer`.

    Call arguments:
        inputs: A 4D tensor.

    Input shape:
        `(batch, height, width, channels)`, or `(batch, channels, height,
        width)` with `"channels_first"`; all but the channels may be unknown.

    Output shape:
        The same as the input shape.

    Raises:
        ValueError: If an argument is invalid, the input is not 4D, or it
            has fewer channels than `reduction`.

    Example:

    >>> features = keras.random.uniform((8, 14, 14, 256))
    >>> SqueezeExcite(reduction=16)(features).shape
    (8, 14, 14, 256)

    Reference:

    - [Hu et al., 2018](https://arxiv.org/abs/1709.01507)
    """

    def __init__(self, reduction=16, data_format=None, **kwargs):
        super().__init__(**kwargs)
        if (
            not isinstance(reduction, numbers.Integral)
            or isinstance(reduction, bool)
            or reduction < 1
        ):
            raise ValueError(
                "`reduction` must be a positive integer. "
                f"Received: reduction={reduction!r}"
            )
        self.reduction = int(reduction)
        self.data_format = standardized(data_format)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def build(self, input_shape):
        channels_axis = 3 if self.data_format == "channels_last" else 1
        channels = input_shape[channels_axis]
        if channels is None or channels < self.reduction:
            raise ValueError(
                f"`reduction={self.reduction}` needs at least as many "
                f"channels. Received: input_shape={tuple(input_shape)}"
            )
        units = channels // self.reduction
        self.squeeze_kernel = self._kernel("squeeze", (channels, units))
        self.squeeze_bias = self._bias("squeeze", units)
        self.excite_kernel = self._kernel("excite", (units, channels))
        self.excite_bias = self._bias("excite", channels)

    def call(self, inputs):
        last = self.data_format == "channels_last"
        # float32: half precision is too short for a mean over many positions.
        means = ops.mean(
            ops.cast(inputs, "float32"), axis=(1, 2) if last else (2, 3)
        )
        units = ops.matmul(
            ops.cast(means, self.compute_dtype), self.squeeze_kernel
        )
        units = ops.relu(units + self.squeeze_bias)
        weights = ops.sigmoid(
            ops.matmul(units, self.excite_kernel) + self.excite_bias
        )
        channels = self.excite_bias.shape[0]
        shape = (-1, 1, 1, channels) if last else (-1, channels, 1, 1)
        return inputs * ops.reshape(weights, shape)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        config = super().get_config()
        config.update(
            {"reduction": self.reduction, "data_format": self.data_format}
        )
        return config

    def _kernel(self, name, shape):
        return self.add_weight(
            shape=shape, initializer="he_normal", name=f"{name}_kernel"
        )

    def _bias(self, name, units):
        return self.add_weight(
            shape=(units,), initializer="zeros", name=f"{name}_bias"
        )

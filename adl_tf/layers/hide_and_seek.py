"""Hide-and-Seek (Singh & Lee, ICCV 2017)."""

import numbers
from collections.abc import Iterable

import keras
from keras import ops

from adl_tf.layers.data_format import standardized
from adl_tf.layers.draws import draw
from adl_tf.layers.shares import check_share, is_number

# The authors' sizes for mixed patches; 0 hides nothing.
_MIXED = (0, 16, 32, 44, 56)


@keras.saving.register_keras_serializable(package="adl_tf")
class HideAndSeek(keras.layers.Layer):
    """Hides random square patches of images.

    During training, a grid that starts at the upper left corner divides each
    image into patches, and each patch is filled with one colour with
    probability `hide_rate`, independently of all others. Where the patch size
    does not divide the image, the rest at the right and lower end are
    patches too. A classifier trained this way cannot rely on the most
    discriminative part alone. The layer has no weights and is the identity at
    inference.

    It may be the first layer of a model, or, on the TensorFlow backend, part
    of a `tf.data` pipeline of batches: `dataset.map(lambda images, labels:
    (layer(images, training=True), labels))`.

    Args:
        patch_size: Side of a patch in pixels; or a list of sides, one of
            which is drawn for each image (0 hides nothing); or `"mixed"` for
            the authors' `[0, 16, 32, 44, 56]`. Defaults to `32`.
        hide_rate: Float in [0, 1]. Probability that a patch is hidden.
            Defaults to `0.5`.
        fill_value: Value of hidden pixels: a number, or one for each
            channel. It should be the mean colour of the data, which is 0 for
            images that are normalized. Defaults to `0.0`.
        seed: Integer to use as random seed, or `None`.
        data_format: `"channels_last"`, `"channels_first"` or `None` for
            `keras.config.image_data_format()`. Defaults to `None`.
        **kwargs: `name`, `dtype` and the like, of `keras.layers.Layer`.

    Call arguments:
        inputs: Images, a 4D tensor.
        training: Python boolean: whether to hide patches or to pass `inputs`
            through.

    Input shape:
        `(batch, height, width, channels)`, or `(batch, channels, height,
        width)` with `"channels_first"`; all but the channels may be unknown.

    Output shape:
        The same as the input shape.

    Raises:
        ValueError: If an argument is invalid or the input is not 4D.

    Example:

    >>> layer = HideAndSeek(patch_size=32, fill_value=[124, 116, 104])
    >>> layer(keras.random.uniform((8, 224, 224, 3)), training=True).shape
    (8, 224, 224, 3)

    Reference:

    - [Singh & Lee, 2017](https://arxiv.org/abs/1704.04232)
    """

    def __init__(
        self,
        patch_size=32,
        hide_rate=0.5,
        fill_value=0.0,
        seed=None,
        data_format=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self._sizes = _patch_sizes(patch_size)
        check_share("hide_rate", hide_rate)
        self.patch_size = patch_size
        self.hide_rate = hide_rate
        self.fill_value = fill_value
        self.seed = seed
        self.data_format = standardized(data_format)
        self.seed_generator = keras.random.SeedGenerator(seed)
        channels = _number_of_channels(fill_value)
        last = self.data_format == "channels_last"
        self.input_spec = keras.layers.InputSpec(
            ndim=4, axes=channels and {-1 if last else 1: channels}
        )
        self.built = True

    def call(self, inputs, training=False):
        if not training or not any(self._sizes):
            return inputs
        last = self.data_format == "channels_last"
        batch, *sides = (ops.shape(inputs)[axis] for axis in _axes(last))
        hidden = ops.expand_dims(
            self._hidden(batch, *sides), axis=-1 if last else 1
        )
        fill = ops.convert_to_tensor(self.fill_value, dtype=inputs.dtype)
        fill = ops.reshape(fill, (1, 1, 1, -1) if last else (1, -1, 1, 1))
        return ops.where(hidden, fill, inputs)

    def _hidden(self, batch, height, width):
        """Which pixels are hidden, `(batch, height, width)`."""
        sizes = self._draw_sizes(batch)
        smallest = min(size for size in self._sizes if size)
        grid = (-(-height // smallest), -(-width // smallest))
        draws = draw(keras.random.uniform, (batch, *grid), self.seed_generator)
        patches = ops.cast(draws < self.hide_rate, "float32")
        # Products with the patch of each row and column take no loop and no
        # gathering, whatever the size of each image's patches.
        rows = _membership(height, sizes, grid[0])
        columns = _membership(width, sizes, grid[1])
        spread = ops.matmul(
            ops.matmul(rows, patches), ops.transpose(columns, (0, 2, 1))
        )
        return ops.logical_and(spread > 0.5, ops.reshape(sizes > 0, (-1, 1, 1)))

    def _draw_sizes(self, batch):
        sizes = ops.convert_to_tensor(self._sizes, dtype="int32")
        if len(self._sizes) == 1:
            return ops.repeat(sizes, batch)
        draws = draw(keras.random.uniform, (batch,), self.seed_generator)
        return ops.take(sizes, ops.cast(draws * len(self._sizes), "int32"))

    def compute_output_shape(self, input_shape):
        return input_shape

    def compute_output_spec(self, inputs, training=False):
        # Not the dtype of the layer: images may be integers.
        return keras.KerasTensor(inputs.shape, dtype=inputs.dtype)

    def get_config(self):
        config = super().get_config()
        config.update(
            {
                "patch_size": self.patch_size,
                "hide_rate": self.hide_rate,
                "fill_value": self.fill_value,
                "seed": self.seed,
                "data_format": self.data_format,
            }
        )
        return config


def _membership(length, sizes, count):
    """1 where a pixel belongs to a patch, `(batch, length, count)`."""
    places = ops.arange(length, dtype="int32")[None, :, None]
    patches = places // ops.maximum(sizes, 1)[:, None, None]
    numbers_of_patches = ops.arange(count, dtype="int32")[None, None, :]
    return ops.cast(patches == numbers_of_patches, "float32")


def _axes(channels_last):
    return (0, 1, 2) if channels_last else (0, 2, 3)


def _number_of_channels(fill_value):
    """Number of channels that images must have, or `None` for any."""
    many = isinstance(fill_value, Iterable)
    values = list(fill_value) if many else [fill_value]
    if not values or not all(map(is_number, values)):
        raise ValueError(
            "`fill_value` must be a number, or one for each channel. "
            f"Received: fill_value={fill_value!r}"
        )
    return len(values) if many else None


def _patch_sizes(patch_size):
    sizes = _MIXED if patch_size == "mixed" else patch_size
    single = isinstance(sizes, numbers.Integral)
    sizes = (sizes,) if single else sizes
    smallest = 1 if single else 0
    if (
        not isinstance(sizes, tuple | list)
        or not sizes
        or any(
            not isinstance(size, numbers.Integral)
            or isinstance(size, bool)
            or size < smallest
            for size in sizes
        )
    ):
        raise ValueError(
            "`patch_size` must be a number of pixels, a list of them, or "
            f"'mixed'. Received: patch_size={patch_size!r}"
        )
    return tuple(int(size) for size in sizes)

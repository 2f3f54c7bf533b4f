"""Weights of Tensorpack's model zoo and of the authors' trainings.

`ImageNet-ResNet50-SE.npz` and `ImageNet-ResNet50.npz` were trained with
images in BGR, standardized: the variant `"tensorpack"` of the backbones
does the same, and the arrays are used unchanged. `vgg16.npz` is Caffe's
VGG16, transposed and otherwise unchanged: like Keras's own weights of VGG16 it
expects BGR in [0, 255] with the mean subtracted. The authors' trainings
that start from it are again of the variant `"tensorpack"`.
"""

import re
import zipfile
import zlib

import numpy as np

from adl_tf.errors import DataError
from adl_tf.models.weights_matching import match_entries

_WEIGHTS = {
    "kernel": "W",
    "bias": "b",
    "gamma": "gamma",
    "beta": "beta",
    "moving_mean": "mean/EMA",
    "moving_variance": "variance/EMA",
    "squeeze_kernel": "fc1/W",
    "squeeze_bias": "fc1/b",
    "excite_kernel": "fc2/W",
    "excite_bias": "fc2/b",
}
# The fully connected layers of VGG16, and the state of the training.
_IGNORED = r"fc[678]/[Wb]|global_step|learning_rate|EMA/.*|.*/Momentum"


def read_tensorpack(path, model, new_layers):
    """Reads an `.npz` file of Tensorpack, or a checkpoint of its trainings.

    Args:
        path: The `.npz` file, or the `.index` file of a checkpoint.
        model: See `match_entries`.
        new_layers: See `match_entries`.

    Returns:
        Dictionary from layer name to its list of arrays.

    Raises:
        DataError: If it cannot be read (pickled objects are refused, since they
            could run code), or does not fit the model.
    """
    if str(path).endswith(".index"):
        return _matched(path, _checkpoint(path), model, new_layers)
    try:
        with np.load(path, allow_pickle=False) as file:
            return _matched(path, _Opened(file), model, new_layers)
    # AttributeError: np.load returns a bare array for an .npy file.
    except (
        OSError,
        ValueError,
        EOFError,
        AttributeError,
        TypeError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise DataError(
            f"{path} is not an .npz file of plain arrays: "
            f"{str(error).splitlines()[0]}"
        ) from error


def _matched(path, entries, model, new_layers):
    return match_entries(
        path,
        entries,
        model,
        new_layers,
        _name_in_file,
        lambda array, shape: array,
        _IGNORED,
    )


def _checkpoint(path):
    import tensorflow as tf

    prefix = str(path).removesuffix(".index")
    try:
        reader = tf.train.load_checkpoint(prefix)
        return {
            _plain(name): reader.get_tensor(name)
            for name in reader.get_variable_to_shape_map()
            if not re.fullmatch(_IGNORED, name)
        }
    except (tf.errors.OpError, ValueError, RuntimeError) as error:
        raise DataError(
            f"{path} is not the index of a whole TensorFlow checkpoint: "
            f"{str(error).splitlines()[0]}"
        ) from error


def _plain(name):
    """A variable's name without `:0`; `linearnew` becomes `linear`."""
    scope, slash, rest = name.removesuffix(":0").partition("/")
    return ("linear" if scope == "linearnew" else scope) + slash + rest


class _Opened(dict):
    """Entries of an opened file, each read on access."""

    def __init__(self, file):
        super().__init__({_plain(name): name for name in file.files})
        self._file = file

    def __getitem__(self, name):
        return self._file[super().__getitem__(name)]


def _name_in_file(layer, weight):
    scope = _scope(layer)
    if scope is None or weight not in _WEIGHTS:
        return None
    return f"{scope}/{_WEIGHTS[weight]}"


def _scope(layer):
    if layer in ("logits", "conv6"):
        return "linear" if layer == "logits" else "new"
    if layer in ("conv1_conv", "conv1_bn"):
        return "conv0" if layer == "conv1_conv" else "conv0/bn"
    if match := re.fullmatch(r"block(\d)_conv(\d)", layer):
        return f"conv{match[1]}_{match[2]}"
    match = re.fullmatch(r"conv(\d)_block(\d)_(?:(\d)_)?(conv|bn|se)", layer)
    if match is None:
        return None
    stage, block, number, kind = match.groups()
    scope = f"group{int(stage) - 2}/block{int(block) - 1}"
    if kind == "se":
        return scope
    scope += "/convshortcut" if number == "0" else f"/conv{number}"
    return scope if kind == "conv" else f"{scope}/bn"

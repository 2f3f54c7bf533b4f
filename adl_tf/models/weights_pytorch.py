"""Weights of PyTorch's ResNets: torchvision's names, and timm's for SE.

They were trained with images in RGB, standardized, and with strides in the
3x3 convolutions: the variant `"pytorch"` of the backbones is that network.
"""

import pickle
import re

from adl_tf.errors import DataError
from adl_tf.models.weights_matching import match_entries

_WEIGHTS = {
    "kernel": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
    "squeeze_kernel": "se.fc1.weight",
    "squeeze_bias": "se.fc1.bias",
    "excite_kernel": "se.fc2.weight",
    "excite_bias": "se.fc2.bias",
}
# A counter that inference has no use for.
_IGNORED = r".*\.num_batches_tracked"


def read_pytorch(path, model, new_layers):
    """Reads a `state_dict` that `torch.save` wrote.

    Args:
        path: The file. The `state_dict` may also be the entry `state_dict`
            of a checkpoint, and its names may start with `module.`, as
            `DataParallel` leaves them.
        model: As in `match_entries`.
        new_layers: As in `match_entries`.

    Returns:
        Dictionary from layer name to its list of arrays.

    Raises:
        DataError: If PyTorch is not installed, the file holds more than
            tensors and plain values (it is read with `weights_only=True`), or
            it does not fit the model.
    """
    try:
        import torch
    except ImportError as error:
        raise DataError(
            f"reading {path} needs PyTorch: pip install torch"
        ) from error
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    # What the unpickler raises depends on where it stumbles.
    except (
        OSError,
        RuntimeError,
        EOFError,
        LookupError,
        TypeError,
        ValueError,
        pickle.UnpicklingError,
    ) as error:
        raise DataError(
            f"{path} is not a file of PyTorch that holds tensors alone: save "
            "the model's `state_dict()` with torch.save"
        ) from error
    if isinstance(content, dict):
        content = content.get("state_dict", content)
    if not isinstance(content, dict) or not all(
        isinstance(value, torch.Tensor) for value in content.values()
    ):
        raise DataError(
            f"{path} holds no `state_dict`, which maps names to tensors"
        )
    entries = {
        str(name).removeprefix("module."): tensor.float().numpy()
        for name, tensor in content.items()
    }
    return match_entries(
        path, entries, model, new_layers, _name_in_file, _arrange, _IGNORED
    )


def _arrange(array, shape):
    """Outputs first becomes outputs last; 1x1 convolutions may be Dense."""
    if array.ndim == 4 and len(shape) == 2 and array.shape[2:] == (1, 1):
        array = array[:, :, 0, 0]
    if array.ndim == 4:
        return array.transpose(2, 3, 1, 0)
    return array.T


def _name_in_file(layer, weight):
    scope = _scope(layer)
    if scope is None or weight not in _WEIGHTS:
        return None
    return f"{scope}.{_WEIGHTS[weight]}"


def _scope(layer):
    if layer == "logits":
        return "fc"
    if layer in ("conv1_conv", "conv1_bn"):
        return "conv1" if layer == "conv1_conv" else "bn1"
    match = re.fullmatch(r"conv(\d)_block(\d)_(?:(\d)_)?(conv|bn|se)", layer)
    if match is None:
        return None
    stage, block, number, kind = match.groups()
    scope = f"layer{int(stage) - 1}.{int(block) - 1}"
    if kind == "se":
        return scope
    if number == "0":
        return f"{scope}.downsample.{0 if kind == 'conv' else 1}"
    return f"{scope}.{kind}{number}"

"""Weights of PyTorch's networks.

They were trained with images in RGB, standardized; ResNets with strides in the
3x3 convolutions, InceptionV3 with means that count the zeros of the border: the
variant `"pytorch"` of the backbones is that network.
"""

import functools
import pickle

from adl_tf.errors import DataError
from adl_tf.models.names_in_pytorch import (
    family,
    ignored,
    name_of,
    plain_names,
)
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


def read_pytorch(path, model, new_layers):
    """Reads a `state_dict` that `torch.save` wrote.

    Args:
        path: The file. The `state_dict` may also be the entry `state_dict`
            of a checkpoint. Its names are those of torchvision, of timm for
            SE, or of wsolevaluation's and SPG's trainings, and may start with
            `module.`, as `DataParallel` leaves them.
        model: See `match_entries`.
        new_layers: See `match_entries`.

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
    # The unpickler raises errors of many types.
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
    network = family(model)
    names = plain_names(content, network)
    try:
        entries = {
            names[name]: tensor.float().numpy()
            for name, tensor in content.items()
        }
    except (RuntimeError, TypeError, NotImplementedError) as error:
        raise DataError(
            f"{path} holds tensors that are sparse, quantized or empty: save "
            "dense ones"
        ) from error
    return match_entries(
        path,
        entries,
        model,
        new_layers,
        functools.partial(_name_in_file, network=network),
        _arrange,
        ignored(network),
    )


def _arrange(array, shape):
    """Moves the output axis to the end; a 1x1 convolution may become Dense."""
    if array.ndim == 4 and len(shape) == 2 and array.shape[2:] == (1, 1):
        array = array[:, :, 0, 0]
    if array.ndim == 4:
        return array.transpose(2, 3, 1, 0)
    return array.T


def _name_in_file(layer, weight, network):
    scope = name_of(layer, network)
    if scope is None or weight not in _WEIGHTS:
        return None
    return f"{scope}.{_WEIGHTS[weight]}"

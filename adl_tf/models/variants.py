"""Variant of a network that the weights of a file belong to.

Frameworks train what they all call ResNet50 with other strides, paddings and
preprocessing. Backbones where that matters have an option `variant`, and the
weight file decides it, so that weights never run in a network that they were
not trained in. Files of other frameworks are recognised by their suffix;
models of ours by the name of their preprocessing layer, which every format of
Keras keeps, the checkpoints of a work directory too. All other files of Keras,
and its own download, are for the network of `keras.applications`: variant
`"keras"`.
"""

import json
import os
import zipfile

import h5py

from adl_tf.errors import DataError

# Advice where there are no such weights, in Python and on the command line.
OTHERWISE = (
    "give the path of a weight file with `weights` (--weights), or start from "
    "scratch with `weights=None` (--weights=none)"
)
FOREIGN = {
    ".npz": "tensorpack",
    ".index": "tensorpack",
    ".pth": "pytorch",
    ".pt": "pytorch",
}


def with_variant(options, weights):
    """Adds the variant of the weights to the options of a backbone.

    Args:
        options: Dictionary of options of a backbone that has `variant`.
        weights: `"imagenet"`, `None` or the path of a weight file.

    Returns:
        Dictionary of options. Nothing is added without weights.

    Raises:
        ValueError: If the options ask for another variant than the file's.
        DataError: If the file should name its variant and does not.
    """
    asked = options.get("variant")
    found = variant_of(weights, asked)
    if found is None:
        return options
    if asked not in (None, found):
        raise ValueError(
            f"`variant` must be {found!r} for the weights of {weights}, or "
            f"left out. Received: variant={asked!r}"
        )
    return {**options, "variant": found}


def variant_of(weights, otherwise=None):
    """The variant that a weight file was made for.

    Args:
        weights: `"imagenet"`, `None` or the path of a weight file.
        otherwise: Returned if the file does not say.

    Returns:
        Name of the variant, or `otherwise`.

    Raises:
        DataError: If it is a `.weights.h5` file without names of layers, and
            `otherwise` is `None`.
    """
    if weights == "imagenet":
        return "keras"
    if weights is None or not os.path.isfile(weights):
        return otherwise
    suffix = os.path.splitext(weights)[1]
    try:
        if suffix in FOREIGN:
            caffes = suffix == ".npz" and _is_caffes_vgg16(weights)
            return "keras" if caffes else FOREIGN[suffix]
        names = _layer_names(str(weights))
    # Unreadable: loading it raises the error.
    except (OSError, ValueError, KeyError, RuntimeError, zipfile.BadZipFile):
        return FOREIGN.get(suffix, otherwise)
    if not names and otherwise is None:
        raise DataError(
            f"{weights} does not hold the names of layers, so it does not say "
            "which variant of the backbone it is for: name it with the "
            "backbone's option `variant`"
        )
    for name in names:
        if name.startswith("preprocess_"):
            return name.removeprefix("preprocess_")
    return "keras" if names else otherwise


def _is_caffes_vgg16(path):
    """Whether a file is Tensorpack's `vgg16.npz`, which Keras has, too.

    It is not of a training with Tensorpack's preprocessing; those of the
    authors' have a convolution `new`.
    """
    with zipfile.ZipFile(path) as archive:
        names = {name.partition("/")[0] for name in archive.namelist()}
    return "conv1_1" in names and "new" not in names


def _layer_names(path):
    if path.endswith(".keras"):
        with zipfile.ZipFile(path) as archive:
            config = json.loads(archive.read("config.json"))
        return [layer["config"]["name"] for layer in config["config"]["layers"]]
    with h5py.File(path, "r") as file:
        root = file.get("model_weights", file)
        if "layer_names" in root.attrs:
            return [str(name) for name in root.attrs["layer_names"].astype(str)]
        groups = file["layers"].values()
        return [
            group["vars"].attrs["name"]
            for group in groups
            if "name" in group["vars"].attrs
        ]


def require_file(weights):
    """Raises an error if a weight file does not exist.

    Args:
        weights: The path.

    Raises:
        DataError: If there is no such file.
    """
    if not os.path.isfile(weights):
        raise DataError(
            f"no weight file {weights}: {OTHERWISE}; 'imagenet' is Keras's own "
            "download"
        )

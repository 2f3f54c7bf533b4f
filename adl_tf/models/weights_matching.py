"""Matching of another framework's weight file to the layers of a model."""

import re

import numpy as np

from adl_tf.errors import DataError

_SHOWN = 12


def match_entries(path, entries, model, new_layers, rename, arrange, ignored):
    """Finds every weight of a model in a file, and checks for unused entries.

    Args:
        path: The file, for messages.
        entries: Mapping from the file's names to arrays.
        model: Keras model with a classifier, `class_maps` or else `logits`,
            which may be absent from the file, or have another number of
            classes.
        new_layers: Names of layers that may be absent, too.
        rename: Function from names of a layer and of its weight, such as
            `"kernel"`, to the name in the file, or `None` where there is none
            for such layers.
        arrange: Function from an array of the file and the shape of the
            weight to the array in Keras's layout.
        ignored: Regular expression of names that may be unused.

    Returns:
        Dictionary from layer name to its list of arrays, as
        `layer.set_weights` wants them: empty for a classifier that is absent.

    Raises:
        DataError: If an entry is missing, left over or of another shape.
    """
    layers = [layer for layer in model.layers if layer.weights]
    classifier = layers[-1].name
    wanted = {
        layer.name: [rename(layer.name, w.name) for w in layer.weights]
        for layer in layers
    }
    for name in {classifier, *new_layers}:
        if not any(each in entries for each in wanted.get(name, ())):
            wanted.pop(name, None)
    if any(None in names for names in wanted.values()):
        raise DataError(
            f"{path}: files of this kind are not known for backbone "
            f"'{model.name}': give a file of Keras"
        )
    _require_all(path, entries, model.name, wanted, ignored)
    return {
        layer.name: [
            _arranged(path, entries, name, weight, arrange, layer, classifier)
            for name, weight in zip(wanted.get(layer.name, ()), layer.weights)
        ]
        for layer in layers
        if layer.name in (classifier, *wanted)
    }


def _require_all(path, entries, backbone, wanted, ignored):
    names = {name for each in wanted.values() for name in each}
    missing = [name for name in sorted(names) if name not in entries]
    extra = [
        name
        for name in entries
        if name not in names and not re.fullmatch(ignored, name)
    ]
    if missing or extra:
        raise DataError(
            f"{path} does not fit backbone '{backbone}': it lacks "
            f"{_listed(missing)}, and has no use here for {_listed(extra)}"
        )


def _arranged(path, entries, name, weight, arrange, layer, classifier):
    shape = tuple(weight.shape)
    array = arrange(np.asarray(entries[name]), shape)
    # The last axis of a classifier may be other classes.
    axes = -1 if layer.name == classifier else None
    if array.shape[:axes] != shape[:axes] or array.ndim != len(shape):
        raise DataError(
            f"{path} holds '{name}' in another shape than layer "
            f"'{layer.name}' has: {array.shape} where {shape} is needed (in "
            "Keras's order)"
        )
    return array


def _listed(names):
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return (", ".join(names[:_SHOWN]) or "nothing") + more

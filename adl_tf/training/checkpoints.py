"""Checkpoints that are there whole or not at all.

Each is a folder `checkpoints/<step>/` with `model.weights.h5` (Keras's own
format) and `training.npz` (optimizer, random states), written beside its
place and then renamed.
"""

import os
import shutil

import numpy as np

KEPT = 2


def save(workdir, step, model, optimizer):
    """Writes a checkpoint and removes all but the last `KEPT`.

    Args:
        workdir: Work directory.
        step: Number of steps done.
        model: Keras model.
        optimizer: Keras optimizer.
    """
    root = _root(workdir)
    final = os.path.join(root, f"{step:08d}")
    if os.path.isdir(final):
        return
    partial = final + ".partial"
    shutil.rmtree(partial, ignore_errors=True)
    os.makedirs(partial)
    model.save_weights(os.path.join(partial, "model.weights.h5"))
    arrays = {
        f"{index:04d}": np.asarray(variable.numpy())
        for index, variable in enumerate(_other_state(model, optimizer))
    }
    np.savez(os.path.join(partial, "training.npz"), **arrays)
    os.rename(partial, final)
    for old in _steps(workdir)[:-KEPT]:
        shutil.rmtree(os.path.join(root, f"{old:08d}"))


def restore(workdir, model, optimizer):
    """Reads the newest checkpoint into a model and its optimizer.

    Args:
        workdir: Work directory.
        model: Keras model, built with the same settings.
        optimizer: Keras optimizer, built.

    Returns:
        Number of steps done: 0 without a checkpoint.
    """
    steps = _steps(workdir)
    if not steps:
        return 0
    folder = os.path.join(_root(workdir), f"{steps[-1]:08d}")
    model.load_weights(os.path.join(folder, "model.weights.h5"))
    with np.load(os.path.join(folder, "training.npz")) as arrays:
        for index, variable in enumerate(_other_state(model, optimizer)):
            variable.assign(arrays[f"{index:04d}"])
    return steps[-1]


def latest_weights(workdir):
    """Path of the newest `model.weights.h5`, or `None`."""
    steps = _steps(workdir)
    if not steps:
        return None
    return os.path.join(_root(workdir), f"{steps[-1]:08d}", "model.weights.h5")


def _other_state(model, optimizer):
    """What the weight file does not hold: optimizer and random states."""
    weights = {id(weight) for weight in model.weights}
    return [
        *(value for value in model.variables if id(value) not in weights),
        *optimizer.variables,
    ]


def _root(workdir):
    return os.path.join(workdir, "checkpoints")


def _steps(workdir):
    root = _root(workdir)
    if not os.path.isdir(root):
        return []
    return sorted(int(name) for name in os.listdir(root) if name.isdigit())

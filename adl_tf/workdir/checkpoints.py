"""Atomic checkpoints, verified by checksums.

Each is a folder `checkpoints/<step>/` with `model.weights.h5` (Keras's own
format), `training.npz` (optimizer, random states, sums of the epoch so far)
and `sha256.txt` (as of `sha256sum`), written beside its place and then renamed.
"""

import functools
import hashlib
import os
import shutil
import sys

import numpy as np

from adl_tf.errors import AdlTfError, DataError

KEPT = 2
_SUMS = "sha256.txt"
_PROGRESS = "epoch_so_far"


def save(workdir, step, model, optimizer, epoch_so_far=(0.0, 0)):
    """Writes a checkpoint and removes all but the last `KEPT`.

    Args:
        workdir: Work directory.
        step: Number of steps done.
        model: Keras model.
        optimizer: Keras optimizer.
        epoch_so_far: Sums of loss and correct predictions over the steps done
            in an epoch that has not ended yet.

    Raises:
        AdlTfError: If it cannot be written; those before are as they were.
    """
    root = _root(workdir)
    final = os.path.join(root, f"{step:08d}")
    partial = final + ".partial"
    state = _other_state(model, optimizer)
    arrays = {
        f"{index:04d}": np.asarray(variable.numpy())
        for index, variable in enumerate(state)
    }
    arrays[_PROGRESS] = np.array(epoch_so_far, np.float64)
    try:
        shutil.rmtree(partial, ignore_errors=True)
        os.makedirs(partial)
        # HDF5 cannot be stopped from complaining once it has begun to write.
        _check_room(root, [*model.weights, *state])
        model.save_weights(os.path.join(partial, "model.weights.h5"))
        np.savez(os.path.join(partial, "training.npz"), **arrays)
        _write_sums(partial)
        shutil.rmtree(final, ignore_errors=True)
        os.rename(partial, final)
        _flush(root)
    except (OSError, RuntimeError) as error:
        shutil.rmtree(partial, ignore_errors=True)
        last = latest_weights(workdir)
        reason = getattr(error, "strerror", None) or error
        raise AdlTfError(
            f"the checkpoint of step {step} cannot be written to {root}: "
            f"{reason}; mend that, and the same command goes on from "
            f"{os.path.dirname(last) if last else 'the start'}"
        ) from error
    for old in _steps(workdir)[:-KEPT]:
        shutil.rmtree(os.path.join(root, f"{old:08d}"))


def restore(workdir, model, optimizer):
    """Reads the newest whole checkpoint into a model and its optimizer.

    Args:
        workdir: Work directory.
        model: Keras model, built with the same settings.
        optimizer: Keras optimizer, built.

    Returns:
        Tuple of the number of steps done, 0 without a checkpoint, and
        `epoch_so_far` as it was saved.
    """
    path = latest_weights(workdir)
    if path is None:
        return 0, (0.0, 0)
    model.load_weights(path)
    folder = os.path.dirname(path)
    with np.load(os.path.join(folder, "training.npz")) as arrays:
        for index, variable in enumerate(_other_state(model, optimizer)):
            variable.assign(arrays[f"{index:04d}"])
        loss, right = arrays[_PROGRESS]
    return int(os.path.basename(folder)), (float(loss), int(right))


def has_any(workdir):
    """Whether there are checkpoints, whole or damaged.

    Args:
        workdir: Work directory.
    """
    return bool(_steps(workdir))


def latest_step(workdir):
    """Number of steps of the newest whole checkpoint, or `None` without one.

    Args:
        workdir: Work directory.
    """
    path = latest_weights(workdir)
    return path and int(os.path.basename(os.path.dirname(path)))


def require_any(workdir):
    """Refuses a work directory without a checkpoint.

    Args:
        workdir: Work directory.

    Raises:
        DataError: If there is none.
    """
    if not has_any(workdir):
        raise DataError(
            f"{workdir} has no checkpoint: train first, with "
            f"python -m adl_tf.train --flagfile={workdir}/flags.cfg "
            f"--workdir={workdir}"
        )


def latest_weights(workdir):
    """Path of the newest `model.weights.h5` that is whole, or `None`.

    Those that are damaged are reported on the standard error.

    Args:
        workdir: Work directory.

    Raises:
        DataError: If there are checkpoints, and all are damaged.
    """
    steps = _steps(workdir)
    for step in reversed(steps):
        folder = os.path.join(_root(workdir), f"{step:08d}")
        fault = _damage(folder)
        if fault is None:
            return os.path.join(folder, "model.weights.h5")
        print(f"checkpoint {folder} is damaged: {fault}", file=sys.stderr)
    if steps:
        raise DataError(
            f"all checkpoints in {_root(workdir)} are damaged: remove them to "
            "start from the beginning"
        )
    return None


def clear_leftovers(workdir):
    """Removes what a killed run left half-written, and damaged checkpoints.

    Damaged ones newer than the newest whole one are renamed, so that they
    are neither counted nor in the way.

    Args:
        workdir: Work directory.

    Raises:
        DataError: If there are checkpoints, and all are damaged.
    """
    root = _root(workdir)
    path = latest_weights(workdir)
    if path is None and not os.path.isdir(root):
        return
    for name in os.listdir(root):
        if name.endswith(".partial"):
            shutil.rmtree(os.path.join(root, name), ignore_errors=True)
    newest = int(os.path.basename(os.path.dirname(path))) if path else 0
    for step in _steps(workdir):
        if step > newest:
            folder = os.path.join(root, f"{step:08d}")
            shutil.rmtree(folder + ".damaged", ignore_errors=True)
            os.rename(folder, folder + ".damaged")


def _other_state(model, optimizer):
    """What the weight file does not hold: optimizer and random states."""
    weights = {id(weight) for weight in model.weights}
    return [
        *(value for value in model.variables if id(value) not in weights),
        *optimizer.variables,
    ]


def _check_room(root, variables):
    needed = sum(
        np.prod(variable.shape, dtype=np.int64) * variable.value.dtype.size
        # The headers of HDF5 and of zip files.
        + 4096
        for variable in variables
    )
    free = shutil.disk_usage(root).free
    if free < needed:
        raise OSError(
            f"it needs {needed / 1e6:.1f} MB, and {free / 1e6:.1f} MB are free"
        )


def _write_sums(folder):
    lines = []
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        lines.append(f"{_sum(path)}  {name}\n")
        _flush(path)
    path = os.path.join(folder, _SUMS)
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(lines)
    _flush(path)
    _flush(folder)


def _damage(folder):
    """What is wrong with a checkpoint, or `None`.

    Files are hashed once in a process, unless they change.
    """
    stamps = []
    for name in sorted(os.listdir(folder)):
        status = os.stat(os.path.join(folder, name))
        stamps.append((name, status.st_size, status.st_mtime_ns))
    return _damage_of(folder, tuple(stamps))


@functools.lru_cache
def _damage_of(folder, stamps):
    del stamps  # Part of the cache's key: changed files are read anew.
    try:
        with open(os.path.join(folder, _SUMS), encoding="utf-8") as file:
            lines = file.read().splitlines()
    except (OSError, ValueError) as error:
        return str(error)
    if len(lines) < 2:
        return f"{_SUMS} is cut off"
    for line in lines:
        expected, _, name = line.partition("  ")
        try:
            if _sum(os.path.join(folder, name)) != expected:
                return f"{name} is not as it was written"
        except OSError as error:
            return f"{name}: {error.strerror}"
    return None


def _sum(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _flush(path):
    """Has the system write a file or folder to the disk itself."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _root(workdir):
    return os.path.join(workdir, "checkpoints")


def _steps(workdir):
    root = _root(workdir)
    if not os.path.isdir(root):
        return []
    return sorted(int(name) for name in os.listdir(root) if name.isdigit())

"""The arrays of an evaluation: an HDF5 file, or the .npz file of 0.1.0."""

import hashlib
import os

import h5py
import numpy as np

from adl_tf.files import written_whole

# Arrays under the name that 0.1.0 gave them.
_RENAMED = {"stretches": "byte_ranges"}
# HDF5 leaves this many bytes at the beginning to the user: the SHA-256 of all
# that follows. The library trusts what it reads, and a flipped bit in its own
# tables may end the process.
_HEADER = 512
# Name of the array that holds the text of the metrics.
_METRICS = "metrics_json"


def write_arrays(path, metrics, arrays):
    """Writes a file, or leaves what was there.

    Args:
        path: The file, `.h5`.
        metrics: Text of metrics.json, kept in the same file, so that numbers
            and boxes belong together.
        arrays: Dictionary from names to arrays, or to iterables of their
            parts: those of many images are never whole in memory.

    Raises:
        AdlTfError: If it cannot be written.
    """
    with written_whole(path) as partial:
        with h5py.File(partial, "w", userblock_size=_HEADER) as file:
            file[_METRICS] = np.frombuffer(metrics.encode(), np.uint8)
            for name, parts in arrays.items():
                if isinstance(parts, np.ndarray):
                    parts = [parts]
                _write(file, name, parts)
        with open(partial, "r+b") as file:
            digest = _digest(file)
            file.seek(0)
            file.write(digest)
            file.flush()
            os.fsync(file.fileno())


def read_arrays(path):
    """Reads a file.

    Args:
        path: What `write_arrays` wrote, or the `.npz` file of 0.1.0.

    Returns:
        Tuple of the text of metrics.json, `None` from an `.npz` file, and a
        dictionary of arrays.

    Raises:
        ValueError: If the file is not as it was written; and, from an `.npz`
            file that is damaged, what NumPy raises.
    """
    if path.endswith(".npz"):
        with np.load(path, allow_pickle=False) as file:
            return None, {_RENAMED.get(name, name): file[name] for name in file}
    with open(path, "rb") as file:
        expected = file.read(hashlib.sha256().digest_size)
        if _digest(file) != expected:
            raise ValueError("it is not as it was written")
    with h5py.File(path, "r") as file:
        arrays = {name: _read(file[name]) for name in file}
    return arrays.pop(_METRICS).tobytes().decode(), arrays


def _write(file, name, parts):
    dataset = None
    for part in map(np.asarray, parts):
        is_text = part.dtype.kind == "U"
        if dataset is None:
            dataset = file.create_dataset(
                name,
                (0, *part.shape[1:]),
                h5py.string_dtype() if is_text else part.dtype,
                maxshape=(None, *part.shape[1:]),
                # HDF5 does not compress texts.
                compression=None if is_text else "gzip",
            )
        begin = len(dataset)
        dataset.resize(begin + len(part), axis=0)
        dataset[begin:] = _encoded(part) if is_text else part


def _read(dataset):
    array = dataset[()]
    return _decoded(array) if h5py.check_string_dtype(array.dtype) else array


# Names of files may be any bytes.
def _encoded(texts):
    encoded = [text.encode("utf-8", "surrogateescape") for text in texts]
    return np.array(encoded, object)


def _decoded(texts):
    decoded = [text.decode("utf-8", "surrogateescape") for text in texts]
    return np.array(decoded, str)


def _digest(file):
    """SHA-256 of all that follows the header."""
    file.seek(_HEADER)
    digest = hashlib.sha256()
    while block := file.read(1 << 20):
        digest.update(block)
    return digest.digest()

"""Scoring of heatmaps that any program wrote to a folder."""

import collections
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from tqdm import tqdm

from adl_tf.errors import DataError
from adl_tf.localization.heatmaps import fit_heatmap
from adl_tf.localization.metrics import chunks

# How many bad files an error names; the rest is counted.
_NAMED = 5


def evaluate_folder(folder, scoring, allow_missing=False):
    """Scores a heatmap for every image of a test set.

    Args:
        folder: Folder with `<image_id>.npy` or `<image_id without
            extension>.npy` for each image; an id may hold slashes. A heatmap
            is a float array `(height, width)` in [0, 1] of any size.
        scoring: `Scoring`, which is given the heatmaps.
        allow_missing: Whether images whose heatmap is missing or bad are
            counted as wrong rather than refused.

    Returns:
        List of texts, one for each image whose heatmap is missing or bad.

    Raises:
        DataError: If there is such an image and it is not allowed, or there
            is no other.
    """
    if not os.path.isdir(folder):
        raise DataError(f"no folder {folder}: --heatmaps takes one")
    image_ids = scoring.examples.image_ids
    stems = collections.Counter(map(_stem, image_ids))

    def score(index):
        image_id = image_ids[index]
        try:
            # a/1.npy is the heatmap of a/1.jpg, unless there is an a/1.png.
            short = stems[_stem(image_id)] == 1
            heatmap = read_heatmap(find_heatmap(folder, image_id, short))
        except DataError as error:
            return index, str(error)
        scoring.add(
            index,
            fit_heatmap(
                heatmap, scoring.input_size, scoring.protocol.interpolation
            ),
        )
        return index, None

    bad = {}
    with (
        ThreadPoolExecutor(os.cpu_count()) as pool,
        tqdm(
            total=len(image_ids), desc="scoring", leave=False, disable=None
        ) as bar,
    ):
        # Some at a time: what waits takes more memory than what is kept.
        for images in chunks(len(image_ids)):
            for index, problem in pool.map(
                score, range(images.start, images.stop)
            ):
                if problem:
                    bad[index] = problem
                bar.update()
    problems = list(bad.values())
    if len(problems) == len(image_ids):
        raise DataError(
            f"none of the {len(image_ids)} heatmaps can be used; the first: "
            f"{problems[0]}. --heatmaps wants <image_id>.npy, floats in [0, 1] "
            "of shape (height, width)"
        )
    if problems and not allow_missing:
        more = len(problems) - _NAMED
        raise DataError(
            f"{len(problems)} of {len(image_ids)} heatmaps cannot be used: "
            f"{'; '.join(problems[:_NAMED])}"
            f"{f'; and {more} more' if more > 0 else ''} (--allow_missing "
            "counts them as wrong)"
        )
    for index in bad:
        scoring.add_missing(index)
    return problems


def find_heatmap(folder, image_id, short=True):
    """The heatmap file of an image, under either of two names.

    Args:
        folder: Folder of the heatmaps.
        image_id: Name of the image, such as `"test/0.jpeg"`.
        short: Whether the name without the image's extension will do.

    Returns:
        Path of `0.jpeg.npy` or `0.npy` in the folder `test`.

    Raises:
        DataError: If there is neither, or both.
    """
    # An id may have no extension: then the two are one.
    names = {f"{image_id}.npy"}
    if short:
        names.add(f"{_stem(image_id)}.npy")
    paths = sorted(os.path.join(folder, name) for name in names)
    found = [path for path in paths if os.path.isfile(path)]
    if len(found) > 1:
        raise DataError(f"{' and '.join(found)} are both there: remove one")
    if not found:
        name = os.path.join(folder, f"{image_id}.npy")
        raise DataError(f"{name} is missing")
    return found[0]


def _stem(image_id):
    return os.path.splitext(image_id)[0]


def read_heatmap(path):
    """Reads a heatmap.

    Args:
        path: A `.npy` file.

    Returns:
        Float array `(height, width)` in [0, 1].

    Raises:
        DataError: If the file is no such array.
    """
    try:
        with open(path, "rb") as file:
            heatmap = np.lib.format.read_array(file, allow_pickle=False)
    # NumPy evaluates the header, so that a damaged one fails in any way.
    except Exception as error:
        raise DataError(f"{path} is not a .npy file of numbers") from error
    if heatmap.dtype.kind != "f":
        raise DataError(
            f"{path} holds {heatmap.dtype}, not floating point numbers"
        )
    if heatmap.ndim != 2 or not heatmap.size:
        raise DataError(
            f"{path} has the shape {heatmap.shape}, not (height, width)"
        )
    low, high = heatmap.min(), heatmap.max()
    if np.isnan(low):
        raise DataError(f"{path} holds NaN")
    if low < 0 or high > 1:
        raise DataError(
            f"{path} has values from {low:g} to {high:g}; heatmaps lie in "
            "[0, 1]"
        )
    return heatmap

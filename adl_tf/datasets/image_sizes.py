"""Widths and heights of images, without decoding them."""

import concurrent.futures

import numpy as np
from PIL import Image
from tqdm import tqdm

from adl_tf.errors import DataError


def image_sizes(paths):
    """Widths and heights of images as stored, without decoding them.

    Args:
        paths: List of n paths.

    Returns:
        int array `(n, 2)`.

    Raises:
        DataError: If an image is missing or cannot be read.
    """

    def size(path):
        try:
            with Image.open(path) as image:
                return image.size
        except OSError as error:
            raise DataError(f"image {path} cannot be read: {error}") from error

    with concurrent.futures.ThreadPoolExecutor() as pool:
        sizes = pool.map(size, paths)
        progress = tqdm(sizes, "sizes", len(paths), leave=False, disable=None)
        return np.array(list(progress), np.int64).reshape(-1, 2)

"""Images that are drawn for a test, and files of them."""

import cv2
import numpy as np

from adl_tf.datasets.examples import Examples


def examples_of(paths):
    return Examples(
        image_ids=[str(path) for path in paths],
        paths=[str(path) for path in paths],
        labels=np.arange(len(paths), dtype=np.int32),
        boxes=[np.zeros((0, 4), np.float32)] * len(paths),
        class_names=[str(number) for number in range(len(paths))],
    )


def drawing(width, height, seed):
    """A smooth RGB image that is like none of its mirror images."""
    noise = np.random.default_rng(seed).uniform(0, 255, (4, 4, 3))
    enlarged = cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.uint8(enlarged.clip(0, 255))


def save(path, rgb):
    assert cv2.imwrite(str(path), rgb[..., ::-1])
    return path


def assert_close(found, expected, levels=1):
    difference = np.abs(found.astype(int) - expected.astype(int))
    assert found.shape == expected.shape
    assert difference.max() <= levels

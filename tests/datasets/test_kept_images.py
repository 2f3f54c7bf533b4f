"""Decoded images are kept once."""

import pathlib

import numpy as np
import pytest
import tensorflow as tf

from adl_tf.datasets import pipeline
from adl_tf.datasets.examples import Examples

STATUS = pathlib.Path("/proc/self/status")


def resident_memory():
    """Bytes of this process that are in memory now."""
    for line in STATUS.read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS"):
            return 1024 * int(line.split()[1])
    raise AssertionError("no VmRSS")


@pytest.mark.skipif(not STATUS.exists(), reason="reads Linux's /proc")
def test_images_in_memory_are_not_copied():
    shape = (1000, 256, 256, 3)
    images = tf.fill(shape, tf.constant(7, tf.uint8))
    examples = Examples(
        image_ids=[str(number) for number in range(len(images))],
        paths=[""] * len(images),
        labels=np.zeros(len(images), np.int32),
        boxes=[np.zeros((0, 4), np.float32)] * len(images),
        class_names=["bird"],
    )
    before = resident_memory()
    batches = iter(
        pipeline.training_batches(
            examples,
            batch_size=2,
            resize_size=256,
            input_size=224,
            seed=0,
            images=images,
        )
    )
    batch, _ = next(batches)
    assert (batch.numpy() == 7).all()
    assert resident_memory() - before < np.prod(shape) / 2

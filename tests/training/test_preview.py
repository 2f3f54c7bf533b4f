"""Images in TensorBoard while a run trains."""

import dataclasses
import glob
import os

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing import event_accumulator

from adl_tf import drawing
from adl_tf.datasets.load import load_examples
from adl_tf.localization.boxes import box_iou
from adl_tf.training import preview
from adl_tf.training.preview import Preview, make_preview
from adl_tf.workdir.trained import load_trained


@pytest.fixture(scope="module")
def examples(data_dir):
    return load_examples("metadata", str(data_dir), "test").take([0, 1, 2])


def extent(image, colour):
    """Box around the pixels of exactly this colour."""
    rows, columns = np.nonzero((image == colour).all(axis=-1))
    return [columns.min(), rows.min(), columns.max(), rows.max()]


def test_boxes_are_where_the_objects_are(trained, examples):
    made = Preview(examples, trained, load_trained(trained))
    drawn = made.draw()
    assert drawn.dtype == np.uint8
    assert drawn.shape == (3, 32, 32, 3)
    for image, truth, boxes in zip(drawn, made.ground_truth, examples.boxes):
        # Images of 40x40, warped to 36x36, of which 32x32 are seen.
        expected = boxes * 36 / 40 - 2
        np.testing.assert_array_equal(truth, np.trunc(expected))
        # Lines are blurred at their edges.
        found = extent(image, drawing.GROUND_TRUTH)
        assert box_iou([found], expected).item() > 0.5
        assert (image == drawing.ESTIMATE).all(axis=-1).any()


def test_the_same_images_each_time(trained, examples):
    made = Preview(examples, trained, load_trained(trained))
    np.testing.assert_array_equal(made.draw(), made.draw())


def test_every_epoch_has_its_images(undisturbed):
    (path,) = glob.glob(os.path.join(undisturbed.workdir, "logs", "events*"))
    log = event_accumulator.EventAccumulator(path, {"tensors": 0})
    log.Reload()
    events = log.Tensors("heatmaps")
    assert [event.step for event in events] == [1, 2]
    width, height, *images = events[0].tensor_proto.string_val
    assert (int(width), int(height)) == (32, 32)
    assert len(images) == preview.NUM_IMAGES
    decoded = [tf.io.decode_png(each).numpy() for each in images]
    assert len({each.tobytes() for each in decoded}) == preview.NUM_IMAGES


def test_training_needs_none_of_it(trained, examples, monkeypatch):
    model = load_trained(trained)

    def load(changed):
        monkeypatch.setattr(preview, "load_split", lambda *_: changed)
        return make_preview(trained, model)

    assert load(examples) is not None
    without_boxes = [boxes[:0] for boxes in examples.boxes]
    assert load(dataclasses.replace(examples, boxes=without_boxes)) is None
    unknown = examples.labels + 2
    assert load(dataclasses.replace(examples, labels=unknown)) is None
    missing = ["/nowhere.png"] * 3
    assert load(dataclasses.replace(examples, paths=missing)) is None
    monkeypatch.undo()
    elsewhere = dataclasses.replace(trained, data_dir="/nowhere")
    assert make_preview(elsewhere, model) is None

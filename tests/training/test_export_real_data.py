"""Boxes of an exported network on photographs, against the measures' own."""

import os
import types

import numpy as np
import pytest
import tensorflow as tf

from adl_tf import build_model
from adl_tf.localization import in_graph
from adl_tf.localization.boxes import boxes_at_cutoffs, cutoffs
from adl_tf.localization.protocols import PROTOCOLS
from adl_tf.training.export import export

THRESHOLDS = np.array([0.1, 0.2, 0.35, 0.5], np.float32)
STORED = 2  # the place of the threshold that is exported


@pytest.mark.slow
@pytest.mark.real_data
def test_boxes_of_photographs(test_data, test_weights, tmp_path):
    model = build_model(
        "mobilenet_v1", weights=str(test_weights / "mobilenet_1_0_224_tf.h5")
    )
    settings = types.SimpleNamespace(workdir=str(tmp_path), input_size=224)
    folder, names = str(tmp_path / "saved"), ["?"] * 1000
    export(model, folder, names, settings, float(THRESHOLDS[STORED]))
    loaded = tf.saved_model.load(folder)
    localize = loaded.signatures["serving_default"]
    boxes_above = tf.function(in_graph.boxes_above, reduce_retracing=True)
    paths = sorted(test_data.glob("CUB_200_2011/images/*/*.jpg"))
    paths += sorted(test_data.glob("ILSVRC/val/*.JPEG"))
    assert len(paths) > 2000
    # One in eight; ADL_TF_TEST_EVERY=1 compares all, in some ten minutes.
    paths = paths[:: int(os.environ.get("ADL_TF_TEST_EVERY", 8))]
    compared, different = 0, []
    for start in range(0, len(paths), 50):
        chosen = paths[start : start + 50]
        answer = localize(
            image_bytes=tf.constant([path.read_bytes() for path in chosen])
        )
        heatmaps = answer["heatmap"].numpy()
        for protocol in PROTOCOLS.values():
            found = np.stack(
                [
                    boxes_above(
                        answer["heatmap"],
                        tf.fill((len(chosen),), threshold),
                        protocol.levels,
                    ).numpy()
                    for threshold in THRESHOLDS
                ],
                axis=1,
            )
            for path, heatmap, boxes in zip(chosen, heatmaps, found):
                levels = protocol.to_levels(heatmap)
                expected = boxes_at_cutoffs(levels, cutoffs(levels, THRESHOLDS))
                compared += len(boxes)
                if (boxes != expected).any():
                    different.append((path.name, protocol.name))
            if protocol.name == "adl_cvpr19":
                for path, box, boxes in zip(chosen, answer["box"], found):
                    size = _size(path)
                    np.testing.assert_allclose(
                        box, boxes[STORED] * (size * 2) / 224, rtol=1e-6
                    )
    print(f"{compared} boxes of {len(paths)} pictures: {different} differ")
    # No kind of difference is known, ties and holes included.
    assert len(different) <= compared / 1000


def _size(path):
    height, width, _ = tf.io.extract_jpeg_shape(path.read_bytes()).numpy()
    return [width, height]

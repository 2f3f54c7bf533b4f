"""Work directories as adl_tf.train and adl_tf.evaluate leave them."""

import json

import numpy as np
import pytest

from adl_tf.workdir.evaluations import write_results

ENVIRONMENT = {
    "python": "3.11",
    "tensorflow": "2",
    "keras": "3",
    "processor": "a processor",
    "cores": 2,
    "devices": ["CPU"],
    "revision": "abc",
    "started": "2026-01-01T00:00:00+00:00",
}
PROTOCOLS = ("adl_cvpr19", "wsoleval_cvpr20")


def evaluation(right, overlaps, protocol, sizes):
    """Metrics and arrays of boxes that overlap the true ones by so much.

    The box at the best threshold (0.2) overlaps as `overlaps` says, that at
    the fixed one (0.1) not at all; validation chose 0.3, where the box is
    that of 0.2.
    """
    hits = [overlap >= 0.5 for overlap in overlaps]
    count, share = len(right), 100 / len(right)
    best = {
        "gt_known_loc": share * sum(hits),
        "top1_loc": share * sum(map(min, right, hits)),
    }
    metrics = {
        "protocol": protocol,
        "num_images": count,
        "top1_clas": share * sum(right),
        "rules": {"min_iou": 0.5},
        "baselines": {"centre": {"gt_known_loc": 57.5}},
        "fixed_tau": {"tau": 0.1, "gt_known_loc": 0.0, "top1_loc": 0.0},
        "val_tau": {"tau": 0.3, **best},
        "best_tau": {"tau": 0.2, **best},
    }
    # Ground truth boxes are 100 pixels wide; the predicted cover a part.
    ends = np.round(100 * np.array(overlaps)).astype(int) - 1
    every = np.arange(count)
    boxes = np.zeros((2 * count, 6), int)
    boxes[::2, 0] = boxes[1::2, 0] = every
    boxes[1::2] += np.column_stack(
        [0 * every, 0 * every + 1, *2 * [0 * every], ends, 0 * every + 99]
    )
    heatmaps = np.zeros((count, 10, 10), np.uint8)
    heatmaps[:, 0, :4] = 100, 100, 60, 30
    arrays = {
        "image_ids": np.array([f"{number}.jpg" for number in every]),
        "labels": every % 2,
        "class_names": np.array(["a", "b"]),
        "predicted": np.where(right, every % 2, 1 - every % 2),
        "sizes": np.array(sizes),
        "thresholds": np.array([0.1, 0.2, 0.3]),
        "boxes": boxes,
        "ground_truth": np.tile([0, 0, 99, 99], (count, 1)),
        "ground_truth_counts": np.ones(count, int),
        "heatmaps": heatmaps,
    }
    return metrics, arrays


@pytest.fixture
def finished_run():
    """Function that writes the files of a run.

    `right` and `overlaps` say for each image whether its class was right,
    and how well its box fits; `sizes` are input_size and resize_size. A run
    that is there is evaluated once more.
    """

    def write(
        workdir,
        right,
        overlaps,
        seed=0,
        epochs=12,
        method="cam",
        protocols=PROTOCOLS,
        sizes=(128, 146),
        revision="abc",
        flags=None,
    ):
        workdir.mkdir(parents=True, exist_ok=True)
        for protocol in protocols:
            metrics, arrays = evaluation(right, overlaps, protocol, sizes)
            write_results(str(workdir), metrics, [], arrays)
        lines = "".join(
            f"{epoch + 1},{epoch + 1},10,{60 * (epoch + 1)}\n"
            for epoch in range(epochs)
        )
        flags = {
            "method": method,
            "epochs": epochs,
            **(flags or {}),
            "seed": seed,
            "data_dir": "/somewhere",
            "weights": "/a/b.h5",
        }
        for name, text in {
            "environment.json": json.dumps(
                {**ENVIRONMENT, "revision": revision}
            ),
            "flags.cfg": "".join(f"--{n}={v}\n" for n, v in flags.items()),
            "timing.csv": f"epoch,step,images_per_second,seconds\n{lines}",
            "history.csv": "epoch,step,loss,accuracy,learning_rate\n",
        }.items():
            (workdir / name).write_text(text)

    return write

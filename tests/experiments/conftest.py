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
        protocol="adl_cvpr19",
        sizes=(128, 146),
    ):
        workdir.mkdir(parents=True, exist_ok=True)
        hits = [overlap >= 0.5 for overlap in overlaps]
        share = 100 / len(right)
        metrics = {
            "protocol": protocol,
            "num_images": len(right),
            "top1_clas": share * sum(right),
            "baselines": {"centre": {"gt_known_loc": 57.5}},
            "best_tau": {
                "tau": 0.2,
                "gt_known_loc": share * sum(hits),
                "top1_loc": share * sum(map(min, right, hits)),
            },
        }
        count = len(right)
        every, none = np.arange(count), np.zeros(count, int)
        # True boxes are 100 pixels wide, of which the found cover a part.
        ends = np.round(100 * np.array(overlaps)).astype(int) - 1
        high = np.full(count, 99)
        arrays = {
            "image_ids": np.array([f"{number}.jpg" for number in every]),
            "labels": none,
            "predicted": 1 - np.array(right, int),
            "sizes": np.array(sizes),
            "thresholds": np.array([0.1, 0.2]),
            "boxes": np.column_stack([every, none, none, none, ends, high]),
            "ground_truth": np.column_stack([none, none, high, high]),
            "ground_truth_counts": np.ones(count, int),
        }
        write_results(str(workdir), metrics, [], arrays)
        lines = "".join(
            f"{epoch + 1},{epoch + 1},10,{60 * (epoch + 1)}\n"
            for epoch in range(epochs)
        )
        for name, text in {
            "environment.json": json.dumps(ENVIRONMENT),
            "flags.cfg": f"--method={method}\n--seed={seed}\n"
            f"--epochs={epochs}\n--data_dir=/somewhere\n--weights=/a/b.h5\n",
            "timing.csv": f"epoch,step,images_per_second,seconds\n{lines}",
            "history.csv": "epoch,step,loss,accuracy,learning_rate\n",
        }.items():
            (workdir / name).write_text(text)

    return write

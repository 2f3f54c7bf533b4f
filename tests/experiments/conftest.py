"""Work directories as adl_tf.train and adl_tf.evaluate leave them."""

import json

import pytest

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

    `right` and `overlaps` say for each picture whether its class was right,
    and how well its box fits.
    """

    def write(workdir, right, overlaps, seed=0, epochs=12, method="cam"):
        workdir.mkdir(parents=True)
        hits = [overlap >= 0.5 for overlap in overlaps]
        share = 100 / len(right)
        metrics = {
            "protocol": "adl_cvpr19",
            "num_images": len(right),
            "top1_clas": share * sum(right),
            "baselines": {"centre": {"gt_known_loc": 57.5}},
            "best_tau": {
                "tau": 0.2,
                "gt_known_loc": share * sum(hits),
                "top1_loc": share * sum(map(min, right, hits)),
            },
        }
        records = [
            {"predicted": int(not ok), "label": 0, "iou": overlap}
            for ok, overlap in zip(right, overlaps)
        ]
        lines = "".join(
            f"{epoch + 1},{epoch + 1},10,{60 * (epoch + 1)}\n"
            for epoch in range(epochs)
        )
        for name, text in {
            "metrics.json": json.dumps(metrics),
            "per_image.jsonl": "\n".join(map(json.dumps, records)),
            "environment.json": json.dumps(ENVIRONMENT),
            "flags.cfg": f"--method={method}\n--seed={seed}\n"
            f"--epochs={epochs}\n--data_dir=/somewhere\n--weights=/a/b.h5\n",
            "timing.csv": f"epoch,step,images_per_second,seconds\n{lines}",
            "history.csv": "epoch,step,loss,accuracy,learning_rate\n",
        }.items():
            (workdir / name).write_text(text)

    return write

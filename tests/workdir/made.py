"""Evaluations made by hand, for tests of how they are kept and read."""

import h5py
import numpy as np

from adl_tf.datasets.examples import Examples
from adl_tf.evaluation.scoring import Scoring
from adl_tf.localization.protocols import PROTOCOLS
from adl_tf.workdir.evaluations import write_evaluation


def make_scoring(protocol):
    """Five images, the fourth without a heatmap."""
    random = np.random.default_rng(0)
    corners = random.integers(0, 30, (5, 2))
    examples = Examples(
        image_ids=[f"{number}.jpg" for number in range(5)],
        paths=[f"/data/{number}.jpg" for number in range(5)],
        labels=np.arange(5, dtype=np.int32) % 2,
        boxes=[np.array([[x, y, x + 25, y + 25]]) for x, y in corners],
        class_names=["finch", "wren"],
        sizes=np.full((5, 2), 64),
    )
    made = Scoring(examples, PROTOCOLS[protocol], 32, 36)
    for place, (x, y) in enumerate(corners):
        if place == 3:
            made.add_missing(place)
            continue
        rows, columns = np.mgrid[:32, :32]
        distance = np.hypot(columns - x / 2 - 6, rows - y / 2 - 6)
        made.add(place, np.exp(-((distance / 6) ** 2)))
    return made


def write(folder, **changes):
    """Writes such an evaluation; returns the path of its arrays."""
    made = make_scoring("adl_cvpr19")
    metrics = {**made.result()[0], "protocol": "adl_cvpr19", **changes}
    write_evaluation(str(folder), metrics, made.arrays())
    return folder / "evaluations" / "adl_cvpr19-test.h5"


def write_as_0_1_0(folder, ending="npz"):
    """As `write`, with the metrics beside the arrays, in NumPy's format."""
    path = write(folder)
    with h5py.File(path) as file:
        arrays = {name: file[name][()] for name in file}
    del arrays["metrics_json"]
    for name in ("image_ids", "paths", "class_names"):
        arrays[name] = np.array([text.decode() for text in arrays[name]])
    arrays["stretches"] = np.array([[n, 7] for n in range(5)])
    np.savez_compressed(path.with_suffix(".npz"), **arrays)
    path.unlink()
    return path.with_suffix(f".{ending}")

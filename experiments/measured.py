"""What a trained and evaluated run measured, and what is kept of it."""

import csv
import json
import os
import shutil

import numpy as np

from adl_tf.errors import DataError, UsageError
from adl_tf.files import write_whole
from adl_tf.workdir.evaluations import FOLDER
from experiments.evaluated import answers_at, read_evaluation

RESULTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "results")
METRICS = ("Top-1 Clas", "GT-known Loc", "Top-1 Loc")
KEPT = ("metrics.json", "flags.cfg", "history.csv", "timing.csv")
BOOTSTRAPS = 10_000


def read_run(workdir, protocol):
    """Reads a work directory.

    Args:
        workdir: Folder that adl_tf.train and adl_tf.evaluate wrote.
        protocol: Name of the protocol whose evaluation is read.

    Returns:
        Dictionary: `workdir`, `metrics` and `environment` (of the JSON
        files), `flags` (without seed and paths), `right` (float array
        `(metrics, images)` of what was right on each image, at the best
        threshold), `image_ids`, `sizes` (of the network's input and before
        the crop) and `row` (`seed`, `method`, the metrics by name, `tau`,
        `minutes`).

    Raises:
        DataError: If the run was not trained, or not evaluated so.
    """

    def path(name):
        found = os.path.join(workdir, name)
        if not os.path.isfile(found):
            raise DataError(f"no {found}: adl_tf.train writes it")
        return found

    metrics, arrays = read_evaluation(workdir, protocol)
    best = metrics["best_tau"]
    with open(path("environment.json"), encoding="utf-8") as file:
        environment = json.load(file)
    run_flags = read_flags(path("flags.cfg"))
    with open(path("timing.csv"), newline="", encoding="utf-8") as file:
        seconds = float(list(csv.DictReader(file))[-1]["seconds"])
    classified = arrays["predicted"] == arrays["labels"]
    answers = answers_at(arrays, best["tau"])
    hit = np.array([answer["iou"] >= 0.5 for answer in answers])
    scores = (metrics["top1_clas"], best["gt_known_loc"], best["top1_loc"])
    return {
        "workdir": workdir,
        "metrics": metrics,
        "image_ids": arrays["image_ids"],
        "sizes": arrays["sizes"].tolist(),
        "environment": environment,
        "flags": {
            name: value
            for name, value in run_flags.items()
            if name not in ("seed", "data_dir", "weights")
        },
        "right": np.stack([classified, hit, classified & hit]).astype(float),
        "row": {
            "seed": int(run_flags["seed"]),
            "method": run_flags["method"],
            **dict(zip(METRICS, scores)),
            "tau": best["tau"],
            "minutes": seconds / 60,
        },
    }


def check_alike(runs):
    """Differences mean nothing between runs that were shown other images.

    Args:
        runs: List of runs, from `read_run` with one protocol.

    Raises:
        UsageError: If images, their order or their sizes differ.
    """
    first = runs[0] if runs else None
    for run in runs[1:]:
        names = f"{first['workdir']} and {run['workdir']}"
        if not np.array_equal(first["image_ids"], run["image_ids"]):
            raise UsageError(
                f"{names} were evaluated on different images: "
                f"{len(first['image_ids'])} and {len(run['image_ids'])}, "
                f"{len(np.intersect1d(first['image_ids'], run['image_ids']))} "
                "in common; evaluate both on the same data"
            )
        if first["sizes"] != run["sizes"]:
            raise UsageError(
                f"{names} were shown images of different sizes under "
                f"{run['metrics']['protocol']}: input_size, resize_size "
                f"{first['sizes']} and {run['sizes']}; compare runs of equal "
                "sizes, or under a protocol without a crop"
            )


def read_flags(path):
    """What a flagfile says.

    Args:
        path: Of the file.

    Returns:
        Dictionary from names of flags to values, as text.
    """
    with open(path, encoding="utf-8") as file:
        return dict(
            line.strip()[2:].partition("=")[::2]
            for line in file
            if line.startswith("--")
        )


def keep(workdir, folder, protocol):
    """Copies the small files of a run to where results are kept.

    Args:
        workdir: Work directory.
        folder: Folder to copy to; it is made.
        protocol: Name of the protocol whose metrics.json is kept.
    """
    os.makedirs(folder, exist_ok=True)
    shutil.copy(
        os.path.join(workdir, FOLDER, f"{protocol}-test.json"),
        os.path.join(folder, KEPT[0]),
    )
    for name in KEPT[1:]:
        shutil.copy(os.path.join(workdir, name), folder)
    # Folders of the machine that measured are nobody's business.
    flagfile = os.path.join(folder, "flags.cfg")
    with open(flagfile, encoding="utf-8") as file:
        lines = file.readlines()
    with open(flagfile, "w", encoding="utf-8") as file:
        for line in lines:
            if line.startswith("--data_dir="):
                continue
            if line.startswith("--weights=/"):
                name = os.path.basename(line.strip())
                line = f"--weights={name}\n"
            file.write(line)


def write_result(folder, name, result, text):
    """Writes a result as JSON and as a page.

    Args:
        folder: Folder to write to; it is made.
        name: Of the two files.
        result: Dictionary for JSON.
        text: The page, in Markdown.
    """
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, name)
    write_whole(path + ".json", json.dumps(result, indent=1) + "\n")
    write_whole(path + ".md", text)


def difference(baseline, method, seed=0):
    """Paired bootstrap over the test images.

    Args:
        baseline: Float array `(metrics, images)`: share of the runs that were
            right on each image.
        method: The same of the method.
        seed: Seed of the resampling.

    Returns:
        Dictionary from metric to the mean difference in points and its 95 %
        interval.
    """
    change = 100 * (method - baseline)
    random = np.random.default_rng(seed)
    count = change.shape[1]
    means = np.stack(
        [
            change[:, random.integers(0, count, count)].mean(axis=1)
            for _ in range(BOOTSTRAPS)
        ]
    )
    low, high = np.percentile(means, [2.5, 97.5], axis=0)
    return {
        name: {
            "mean": round(float(change[index].mean()), 2),
            "interval": [
                round(float(low[index]), 2),
                round(float(high[index]), 2),
            ],
        }
        for index, name in enumerate(METRICS)
    }


def machine(environment):
    """Versions and machine of a run in a line.

    Args:
        environment: Dictionary of environment.json.

    Returns:
        Text.
    """
    return (
        f"Python {environment['python']}, TensorFlow "
        f"{environment['tensorflow']}, Keras {environment['keras']}, "
        f"{environment['processor']} with {environment['cores']} cores "
        f"({', '.join(environment['devices'])}), revision "
        f"{environment['revision']}, {environment['started'][:10]}"
    )

"""Compares two methods over seeds and writes what was measured.

    python -m experiments.compare --name=synthetic_birds_quickstart \\
        --baseline=runs/cam_s0,runs/cam_s1 --method=runs/adl_s0,runs/adl_s1

The work directories must have been trained and evaluated. Writes
experiments/results/NAME.md and .json: means and standard deviations over the
seeds, and the interval in which the difference lies if the test pictures are
drawn anew (paired bootstrap, 95 %). Each run's metrics.json is copied to
experiments/results/NAME/.
"""

import json
import os
import shutil

import numpy as np
from absl import flags

from adl_tf import command
from adl_tf.errors import DataError, UsageError

flags.DEFINE_string("name", None, "Name of the result.")
flags.DEFINE_list("baseline", None, "Work directories, one a seed.")
flags.DEFINE_list("method", None, "Work directories, one a seed.")
flags.DEFINE_string("data", "", "What the pictures are, for the heading.")

METRICS = ("Top-1 Clas", "GT-known Loc", "Top-1 Loc")
RESULTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "results")
BOOTSTRAPS = 10_000


def main(values):
    for flag in ("name", "baseline", "method"):
        if not values[flag].value:
            raise UsageError(f"--{flag} is needed")
    groups = {"baseline": values.baseline, "method": values.method}
    runs = {
        group: [_read(workdir) for workdir in workdirs]
        for group, workdirs in groups.items()
    }
    result = {
        "data": values.data,
        "protocol": runs["method"][0]["metrics"]["protocol"],
        "num_images": runs["method"][0]["metrics"]["num_images"],
        "environment": runs["method"][0]["environment"],
        "difference": difference(
            *(
                np.mean([run["answers"] for run in runs[group]], axis=0)
                for group in groups
            )
        ),
    }
    for group in groups:
        result[group] = {
            "flags": runs[group][0]["flags"],
            "runs": [run["row"] for run in runs[group]],
        }
    for workdir in (*values.baseline, *values.method):
        folder = os.path.join(
            RESULTS, values.name, os.path.basename(os.path.normpath(workdir))
        )
        os.makedirs(folder, exist_ok=True)
        for name in (
            "metrics.json",
            "flags.cfg",
            "history.csv",
            "timing.csv",
        ):
            shutil.copy(os.path.join(workdir, name), folder)
        _hide_paths(os.path.join(folder, "flags.cfg"))
    path = os.path.join(RESULTS, values.name)
    with open(path + ".json", "w", encoding="utf-8") as file:
        json.dump(result, file, indent=1)
        file.write("\n")
    text = as_markdown(values.name, result)
    with open(path + ".md", "w", encoding="utf-8") as file:
        file.write(text)
    print(text)


def difference(baseline, method, seed=0):
    """Paired bootstrap over the test pictures.

    Args:
        baseline: Float array `(metrics, images)`: share of the runs that were
            right on each picture.
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


def as_markdown(name, result):
    """The result as a table that says what it was measured on.

    Args:
        name: Name of the result.
        result: What the JSON file holds.

    Returns:
        Text.
    """
    machine = result["environment"]
    lines = [
        f"# {name}",
        "",
        f"{result['data']} {result['num_images']} test pictures; protocol "
        f"`{result['protocol']}`, threshold chosen on the test set (oracle).",
        "",
        "| | seed | " + " | ".join(METRICS) + " | threshold | minutes |",
        "| --- " * (len(METRICS) + 4) + "|",
    ]
    for group in ("baseline", "method"):
        rows = result[group]["runs"]
        label = rows[0]["method"].upper()
        for row in rows:
            scores = " | ".join(f"{row[metric]:.1f}" for metric in METRICS)
            lines.append(
                f"| {label} | {row['seed']} | {scores} | {row['tau']:g} | "
                f"{row['minutes']:.1f} |"
            )
        table = np.array([[row[m] for m in METRICS] for row in rows])
        # Of one run there is no deviation.
        deviations = (
            table.std(axis=0, ddof=1) if len(rows) > 1 else [np.nan] * 3
        )
        scores = " | ".join(
            f"**{mean:.1f}** ± {deviation:.1f}"
            for mean, deviation in zip(table.mean(axis=0), deviations)
        )
        lines.append(f"| {label} | mean ± sd | {scores} | | |")
    cells = " | ".join(
        "**{mean:+.1f}** ({interval[0]:+.1f} to {interval[1]:+.1f})".format(
            **result["difference"][metric]
        )
        for metric in METRICS
    )
    lines += [
        f"| difference | 95 % interval | {cells} | | |",
        "",
        f"Python {machine['python']}, TensorFlow {machine['tensorflow']}, "
        f"Keras {machine['keras']}, {machine['processor']} with "
        f"{machine['cores']} cores, revision {machine['revision']}, "
        f"{machine['started'][:10]}. The interval is of a paired bootstrap "
        "over the test pictures; it does not cover what other seeds would do. "
        "Minutes were taken while other work ran beside.",
        "",
    ]
    return "\n".join(lines)


def _read(workdir):
    def path(name):
        found = os.path.join(workdir, name)
        if not os.path.isfile(found):
            raise DataError(f"no {found}: train and evaluate first")
        return found

    with open(path("metrics.json"), encoding="utf-8") as file:
        metrics = json.load(file)
    with open(path("per_image.jsonl"), encoding="utf-8") as file:
        records = [json.loads(line) for line in file]
    with open(path("environment.json"), encoding="utf-8") as file:
        environment = json.load(file)
    with open(path("flags.cfg"), encoding="utf-8") as file:
        run_flags = dict(line.strip()[2:].partition("=")[::2] for line in file)
    with open(path("timing.csv"), encoding="utf-8") as file:
        last = file.read().split()[-1]
    right = np.array([r["predicted"] == r["label"] for r in records])
    hit = np.array([r["iou"] >= 0.5 for r in records])
    best = metrics["best_tau"]
    scores = (metrics["top1_clas"], best["gt_known_loc"], best["top1_loc"])
    return {
        "metrics": metrics,
        "environment": environment,
        "flags": {
            name: value
            for name, value in run_flags.items()
            if name not in ("seed", "data_dir", "weights")
        },
        "answers": np.stack([right, hit, right & hit]).astype(float),
        "row": {
            "seed": int(run_flags["seed"]),
            "method": run_flags["method"],
            **dict(zip(METRICS, scores)),
            "tau": best["tau"],
            "minutes": float(last.split(",")[-1]) / 60,
        },
    }


def _hide_paths(flagfile):
    """Folders of the machine that measured are nobody's business."""
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


if __name__ == "__main__":
    command.run(
        main, "experiments.compare", ("name", "baseline", "method", "data")
    )

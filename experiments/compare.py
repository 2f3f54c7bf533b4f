"""Compares two methods over seeds and writes what was measured.

    python -m experiments.compare --name=synthetic_birds_quickstart \\
        --baseline=runs/cam_s0,runs/cam_s1 --workdirs=runs/adl_s0,runs/adl_s1

The work directories must have been trained, and evaluated on the same test
images, in the same sizes, under --protocol; it need not be the last under
which they were. Writes experiments/results/NAME.md and .json, or to
--results_dir: means and standard deviations over the seeds, and the interval
in which the difference lies if the test images are drawn anew (paired
bootstrap, 95 %). Each run's metrics.json is copied to NAME/ beside them.
"""

import os

import numpy as np
from absl import flags

from adl_tf import command
from adl_tf import flags as run_flags
from adl_tf.errors import UsageError
from experiments.measured import (
    KEPT,
    METRICS,
    RESULTS,
    check_alike,
    difference,
    keep,
    machine,
    read_run,
    write_result,
)
from experiments.paper import METHOD_NAMES

# Fewer, and a single image or seed moves the result by what methods differ.
ENOUGH_IMAGES = 200
ENOUGH_SEEDS = 3

flags.DEFINE_string("name", None, "Name of the result.")
flags.DEFINE_list("baseline", None, "Work directories, one a seed.")
flags.DEFINE_list(
    "workdirs", None, "Work directories of the other method, one a seed."
)
flags.DEFINE_string("data", "", "What the images are, for the heading.")
flags.DEFINE_enum(
    "protocol",
    "adl_cvpr19",
    run_flags.PROTOCOLS,
    "The protocol whose evaluation of each run is read.",
)
flags.DEFINE_string(
    "results_dir", None, "Where to write the table [experiments/results]."
)


def main(values):
    for flag in ("name", "baseline", "workdirs"):
        if not values[flag].value:
            raise UsageError(f"--{flag} is needed")
    groups = {"baseline": values.baseline, "method": values.workdirs}
    names = [_leaf(each) for each in (*values.baseline, *values.workdirs)]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(
                f"--baseline, --workdirs: two folders are called {name}, "
                "by which records are kept; name each run once, or rename one"
            )
    runs = {
        group: [read_run(workdir, values.protocol) for workdir in workdirs]
        for group, workdirs in groups.items()
    }
    check_alike(runs["baseline"] + runs["method"])
    result = {
        "data": values.data,
        "protocol": values.protocol,
        "num_images": runs["method"][0]["metrics"]["num_images"],
        "environment": runs["method"][0]["environment"],
        "difference": difference(
            *(
                np.mean([run["right"] for run in runs[group]], axis=0)
                for group in groups
            )
        ),
    }
    for group, workdirs in groups.items():
        result[group] = {
            "flags": runs[group][0]["flags"],
            "folders": [_leaf(workdir) for workdir in workdirs],
            "runs": [run["row"] for run in runs[group]],
        }
    text = as_markdown(values.name, result)
    _write(values, result, text)
    print(text)


def _leaf(workdir):
    return os.path.basename(os.path.normpath(workdir))


def _write(values, result, text):
    folder = values.results_dir or RESULTS
    paths = [
        os.path.join(folder, f"{values.name}{e}") for e in (".md", ".json")
    ]
    before = {path for path in paths if os.path.isfile(path)}
    for workdir in (*values.baseline, *values.workdirs):
        records = os.path.join(folder, values.name, _leaf(workdir))
        keep(workdir, records, values.protocol)
        paths += [os.path.join(records, name) for name in KEPT]
    write_result(folder, values.name, result, text)
    for path in paths:
        replaced = " (replaces an earlier result)" if path in before else ""
        print(f"written: {path}{replaced}")


def as_markdown(name, result):
    """The result as a table that says what it was measured on.

    Args:
        name: Name of the result.
        result: What the JSON file holds.

    Returns:
        Text.
    """
    groups = {"baseline": "`--baseline`", "method": "`--workdirs`"}
    methods = [result[group]["runs"][0]["method"] for group in groups]
    alike = methods[0] == methods[1]
    protocol = result["protocol"]
    heading = (
        f"{result['data']} {result['num_images']} test images; protocol "
        f"`{protocol}`, threshold chosen on the test set (oracle). Taken from "
        f"`evaluations/{protocol}-test` of each run."
    )
    lines = [
        f"# {name}",
        "",
        heading.strip(),
        "",
        "| | seed | " + " | ".join(METRICS) + " | threshold | minutes |",
        "| --- " * (len(METRICS) + 4) + "|",
    ]
    for group in groups:
        rows = result[group]["runs"]
        label = METHOD_NAMES[rows[0]["method"]]
        for row, folder in zip(rows, result[group]["folders"]):
            scores = " | ".join(f"{row[metric]:.1f}" for metric in METRICS)
            lines.append(
                f"| {folder if alike else label} | {row['seed']} | {scores} | "
                f"{row['tau']:g} | {row['minutes']:.1f} |"
            )
        table = np.array([[row[m] for m in METRICS] for row in rows])
        # Of one run there is neither mean nor deviation to tell.
        if len(rows) == 1:
            continue
        scores = " | ".join(
            f"**{mean:.1f}** ± {deviation:.1f}"
            for mean, deviation in zip(
                table.mean(axis=0), table.std(axis=0, ddof=1)
            )
        )
        label = groups[group] if alike else label
        lines.append(f"| {label} | mean ± sd | {scores} | | |")
    caution = _caution(result)
    bold = "" if caution else "**"
    cells = " | ".join(
        "{bold}{mean:+.1f}{bold} ({interval[0]:+.1f} to "
        "{interval[1]:+.1f})".format(bold=bold, **result["difference"][metric])
        for metric in METRICS
    )
    lines += [
        f"| difference | 95 % interval | {cells} | | |",
        "",
        *caution,
        f"{machine(result['environment'])}. The difference is `--workdirs` "
        "less `--baseline`. The interval is of a paired "
        "bootstrap over the test images; it does not cover what other seeds "
        "would do. Minutes were taken while other work ran beside.",
        "",
    ]
    return "\n".join(lines)


def _caution(result):
    """Lines that say how little the difference is worth, or none."""
    seeds = min(len(result[group]["runs"]) for group in ("baseline", "method"))
    few = []
    if seeds < ENOUGH_SEEDS:
        few.append(f"{seeds} seed{'s' * (seeds > 1)} a method")
    if result["num_images"] < ENOUGH_IMAGES:
        few.append(f"{result['num_images']} test images")
    if not few:
        return []
    return [
        f"Caution: {' and '.join(few)} are few, and each run's threshold was "
        "chosen on the images that it is scored on. The difference may be "
        f"chance; take {ENOUGH_SEEDS} seeds and {ENOUGH_IMAGES} images or "
        "more.",
        "",
    ]


if __name__ == "__main__":
    command.run(
        main,
        "experiments.compare",
        ("name", "baseline", "workdirs", "data", "protocol", "results_dir"),
    )

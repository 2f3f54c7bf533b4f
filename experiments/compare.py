"""Compares two methods over seeds and writes what was measured.

    python -m experiments.compare --name=synthetic_birds_quickstart \\
        --baseline=runs/cam_s0,runs/cam_s1 --workdirs=runs/adl_s0,runs/adl_s1

The work directories must have been trained and evaluated. Writes
experiments/results/NAME.md and .json: means and standard deviations over the
seeds, and the interval in which the difference lies if the test pictures are
drawn anew (paired bootstrap, 95 %). Each run's metrics.json is copied to
experiments/results/NAME/.
"""

import os

import numpy as np
from absl import flags

from adl_tf import command
from adl_tf.errors import UsageError
from experiments.measured import (
    METRICS,
    RESULTS,
    difference,
    keep,
    machine,
    read_run,
    write_result,
)
from experiments.paper import METHOD_NAMES

flags.DEFINE_string("name", None, "Name of the result.")
flags.DEFINE_list("baseline", None, "Work directories, one a seed.")
flags.DEFINE_list(
    "workdirs", None, "Work directories of the other method, one a seed."
)
flags.DEFINE_string("data", "", "What the pictures are, for the heading.")


def main(values):
    for flag in ("name", "baseline", "workdirs"):
        if not values[flag].value:
            raise UsageError(f"--{flag} is needed")
    groups = {"baseline": values.baseline, "method": values.workdirs}
    runs = {
        group: [read_run(workdir) for workdir in workdirs]
        for group, workdirs in groups.items()
    }
    result = {
        "data": values.data,
        "protocol": runs["method"][0]["metrics"]["protocol"],
        "num_images": runs["method"][0]["metrics"]["num_images"],
        "environment": runs["method"][0]["environment"],
        "difference": difference(
            *(
                np.mean([run["right"] for run in runs[group]], axis=0)
                for group in groups
            )
        ),
    }
    for group in groups:
        result[group] = {
            "flags": runs[group][0]["flags"],
            "runs": [run["row"] for run in runs[group]],
        }
    for workdir in (*values.baseline, *values.workdirs):
        name = os.path.basename(os.path.normpath(workdir))
        keep(workdir, os.path.join(RESULTS, values.name, name))
    text = as_markdown(values.name, result)
    write_result(RESULTS, values.name, result, text)
    print(text)


def as_markdown(name, result):
    """The result as a table that says what it was measured on.

    Args:
        name: Name of the result.
        result: What the JSON file holds.

    Returns:
        Text.
    """
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
        label = METHOD_NAMES[rows[0]["method"]]
        for row in rows:
            scores = " | ".join(f"{row[metric]:.1f}" for metric in METRICS)
            lines.append(
                f"| {label} | {row['seed']} | {scores} | {row['tau']:g} | "
                f"{row['minutes']:.1f} |"
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
        f"{machine(result['environment'])}. The interval is of a paired "
        "bootstrap over the test pictures; it does not cover what other seeds "
        "would do. Minutes were taken while other work ran beside.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    command.run(
        main, "experiments.compare", ("name", "baseline", "workdirs", "data")
    )

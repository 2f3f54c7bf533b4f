"""A table of the paper, ours beside the paper's, and whether its claims hold.

A table is extended: rows without a finished run here stay as they were
recorded.
"""

import json
import os

import numpy as np

from experiments.measured import check_alike, difference, read_run
from experiments.paper import COLUMNS, backbone_of
from experiments.table_runs import PROTOCOL

_NOT_RUN = {
    "runs": [],
    "flags": None,
    "environment": None,
    "protocol": None,
    "num_images": None,
}


def read_record(name, folder):
    """What is recorded of a table.

    Args:
        name: Of its files, such as `"table1_cub25"`.
        folder: Folder of the results.

    Returns:
        Dictionary of the JSON file, without rows if there is none.
    """
    path = os.path.join(folder, f"{name}.json")
    if not os.path.isfile(path):
        return {"rows": [], "claims": []}
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def collect(table, runs, record):
    """What the finished runs of a table measured, and what is recorded.

    Args:
        table: `Table`.
        runs: Dictionary from names of rows to lists of `TableRun`.
        record: What `read_record` returned; it holds for rows of which no
            run is finished.

    Returns:
        Dictionary for JSON: `rows`, and `claims` with the verdict on each.
    """
    done = {
        name: [
            read_run(run.workdir, PROTOCOL) for run in row_runs if run.is_done
        ]
        for name, row_runs in runs.items()
    }
    check_alike([run for row_runs in done.values() for run in row_runs])
    recorded = {row["name"]: row for row in record["rows"]}
    rows = [
        {
            "name": row.name,
            "backbone": backbone_of(row.name),
            "label": row.label,
            "paper": dict(zip(COLUMNS, row.published)),
            **_measured(done[row.name], recorded.get(row.name, _NOT_RUN)),
        }
        for row in table.rows
    ]
    by_name = {row["name"]: row for row in rows}
    claims = [
        {
            "text": claim.text,
            "above": claim.above,
            "below": claim.below,
            "metric": claim.metric,
            "paper": _points(by_name, claim),
            **_judged(claim, by_name, done, record["claims"]),
        }
        for claim in table.claims
    ]
    return {"title": table.title, "rows": rows, "claims": claims}


def _measured(done, recorded):
    """The part of a row that runs say, or that an earlier table has."""
    if not done:
        return {key: recorded[key] for key in _NOT_RUN}
    first = done[0]
    return {
        "runs": [found["row"] for found in done],
        "flags": first["flags"],
        "environment": first["environment"],
        "protocol": first["metrics"]["protocol"],
        "num_images": first["metrics"]["num_images"],
    }


def _judged(claim, rows, done, recorded):
    """The verdict on a claim, from the runs or from an earlier table."""
    above, below = done[claim.above], done[claim.below]
    if not (above or below):
        for each in recorded:
            names = tuple(each[key] for key in ("above", "below", "metric"))
            if names == (claim.above, claim.below, claim.metric):
                keys = ("verdict", "difference", "interval", "seeds")
                return {key: each[key] for key in keys if key in each}
    answer = verdict(claim.metric, above, below)
    both = rows[claim.above]["runs"] and rows[claim.below]["runs"]
    if both and answer["verdict"] == "not run":
        # What was right on each image is in work directories alone.
        return {"verdict": "not compared"}
    return answer


def verdict(metric, above, below):
    """Whether one row is above another, as far as the runs can tell.

    A claim holds if the difference is positive for every seed that both rows
    have and the interval of a paired bootstrap over the test images is above
    zero; it does not hold if both are negative. All else is noise.

    Args:
        metric: Name of the metric.
        above: Runs (`read_run`) of the row that is to be higher.
        below: Those of the other.

    Returns:
        Dictionary: `verdict` (`held`, `not held`, `within noise`, `not run`)
        and, if both were run, `difference` in points, its 95 % `interval`,
        and `seeds`, the list of the differences of the seeds.
    """
    pairs = [
        (one, other)
        for one in above
        for other in below
        if one["row"]["seed"] == other["row"]["seed"]
    ]
    if not pairs:
        return {"verdict": "not run"}
    found = difference(
        np.mean([other["right"] for _, other in pairs], axis=0),
        np.mean([one["right"] for one, _ in pairs], axis=0),
    )[metric]
    seeds = [
        round(one["row"][metric] - other["row"][metric], 2)
        for one, other in pairs
    ]
    low, high = found["interval"]
    answer = "within noise"
    if low > 0 and min(seeds) > 0:
        answer = "held"
    elif high < 0 and max(seeds) < 0:
        answer = "not held"
    return {
        "verdict": answer,
        "difference": found["mean"],
        "interval": found["interval"],
        "seeds": seeds,
    }


def best_centred_square(rows, folder):
    """GT-known Loc of the best centred square of the test images.

    Args:
        rows: List of rows that `collect` returned.
        folder: Folder in which the files of their runs are kept.

    Returns:
        Percent, or `None` if no run of the table has it.
    """
    for row in rows:
        for run in row["runs"]:
            leaf = f"{row['name']}_s{run['seed']}"
            path = os.path.join(folder, leaf, "metrics.json")
            with open(path, encoding="utf-8") as file:
                baselines = json.load(file).get("baselines")
            if baselines:
                return baselines["centre"]["gt_known_loc"]
    return None


def _points(rows, claim):
    above, below = (
        rows[name]["paper"][claim.metric] for name in (claim.above, claim.below)
    )
    if above is None or below is None:
        return None
    return round(above - below, 2)

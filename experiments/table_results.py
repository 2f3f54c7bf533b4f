"""A table of the paper, ours beside the paper's: JSON, Markdown, flagfiles.

A table is extended: rows without a finished run here stay as they were
recorded.
"""

import json
import os

import numpy as np

from adl_tf.files import write_whole
from experiments.measured import (
    difference,
    machine,
    read_run,
)
from experiments.paper import COLUMNS, backbone_of

_NOT_RUN = {
    "runs": [],
    "flags": None,
    "environment": None,
    "protocol": None,
    "num_images": None,
}
_MIXED = (
    "Not compared: one of the rows was recorded before, or they share no seed; "
    "the interval needs both in one go."
)


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
        name: [read_run(run.workdir) for run in row_runs if run.is_done]
        for name, row_runs in runs.items()
    }
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
        # What was right on each picture is in work directories alone.
        return {"verdict": "not compared"}
    return answer


def verdict(metric, above, below):
    """Whether one row is above another, as far as the runs can tell.

    A claim holds if the difference is positive for every seed that both rows
    have and the interval of a paired bootstrap over the test pictures is above
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


def box_in_the_middle(rows, folder):
    """GT-known Loc of the best square in the middle of the test pictures.

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


def as_markdown(result):
    """The table, with the paper's figures in brackets.

    Args:
        result: What `collect` returned, with `data`, `note` and
            `box_in_the_middle`.

    Returns:
        Text.
    """
    environments = dict.fromkeys(
        f"{row['num_images']} test pictures, protocol `{row['protocol']}`. "
        f"{machine(row['environment'])}.\n"
        for row in result["rows"]
        if row["runs"]
    )
    verdicts = [claim["verdict"] for claim in result["claims"]]
    lines = [
        f"# {result['title']}",
        "",
        *(f"{result[key]}\n" for key in ("data", "note")),
        "Percent, at the best threshold (oracle); means and standard "
        "deviations over the seeds, and in brackets the paper's figures, on "
        "all classes and at its own budget.",
        "",
        f"| network | row | {' | '.join(COLUMNS)} | seeds | epochs | "
        "minutes a run |",
        "| --- " * (len(COLUMNS) + 5) + "|",
        *map(_row, result["rows"]),
        *_middle(result["box_in_the_middle"]),
        "",
        "## What the paper says, and what was found",
        "",
        "Held or not held: the difference has one sign for all seeds, and the "
        "95 % interval of a paired bootstrap over the test pictures leaves out "
        "zero. All else is within noise. Of a single seed the interval does "
        "not cover what other seeds would do.",
        "",
        *([_MIXED, ""] if "not compared" in verdicts else []),
        "| claim | metric | paper | ours (95 %) | seeds | |",
        "| --- | --- | --- | --- | --- | --- |",
        *map(_claim, result["claims"]),
        "",
        *environments,
        "Minutes are of training alone, as long as it took beside whatever "
        "else the machine did.",
        "",
    ]
    return "\n".join(lines)


def note_in_flagfiles(result, data, rows_folder):
    """Says at the head of each row's flagfile what it reached.

    Args:
        result: What `collect` returned.
        data: Name of the data.
        rows_folder: Folder of the flagfiles.
    """
    for row in result["rows"]:
        if not row["runs"]:
            continue
        path = os.path.join(rows_folder, f"{row['name']}.cfg")
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
        start = f"# On {data},"  # and not of cub25 for cub
        head = [
            line
            for line in lines
            if line.startswith("#") and not line.startswith(start)
        ]
        rest = [line for line in lines if not line.startswith("#")]
        scores = ", ".join(
            f"{column} {_mean(row, column):.1f}" for column in COLUMNS
        )
        seeds = ", ".join(str(run["seed"]) for run in row["runs"])
        note = (
            f"{start} {row['flags']['epochs']} epochs, seed {seeds}: "
            f"{scores}; {_mean(row, 'minutes'):.0f} minutes a run"
        )
        others = [line for line in head if line.startswith("# On ")]
        head = [line for line in head if line not in others]
        notes = sorted((*others, note))
        write_whole(path, "\n".join((*head, *notes, *rest)) + "\n")


def _row(row):
    cells = [_cell(row, column) for column in COLUMNS]
    label = f"[{row['label']}](../rows/{row['name']}.cfg)"
    runs = "not run |  | "
    if row["runs"]:
        runs = (
            f"{len(row['runs'])} | {row['flags']['epochs']} | "
            f"{_mean(row, 'minutes'):.1f}"
        )
    return f"| {row['backbone']} | {label} | {' | '.join(cells)} | {runs} |"


def _middle(score):
    """The row of what ignores the pictures, and what it is."""
    if score is None:
        return []
    return [
        f"| | a box in the middle | {score:.1f} |  |  |  |  |  |",
        "",
        "A box in the middle is the same square for all pictures, of the size "
        "that is best for the test pictures.",
    ]


def _claim(claim):
    ours = seeds = ""
    if "interval" in claim:
        low, high = claim["interval"]
        ours = f"{claim['difference']:+.1f} ({low:+.1f} to {high:+.1f})"
        seeds = ", ".join(f"{each:+.1f}" for each in claim["seeds"])
    paper = "" if claim["paper"] is None else f"{claim['paper']:+.2f}"
    return (
        f"| {claim['text']} | {claim['metric']} | {paper} | {ours} | "
        f"{seeds} | **{claim['verdict']}** |"
    )


def _mean(row, column):
    return np.mean([run[column] for run in row["runs"]])


def _cell(row, column):
    paper = row["paper"][column]
    paper = "" if paper is None else f" ({paper:.2f})"
    values = [run[column] for run in row["runs"]]
    if not values:
        return paper.strip()
    if len(values) == 1:
        return f"{values[0]:.1f}{paper}"
    return f"{_mean(row, column):.1f} ± {np.std(values, ddof=1):.1f}{paper}"


def _points(rows, claim):
    above, below = (
        rows[name]["paper"][claim.metric] for name in (claim.above, claim.below)
    )
    if above is None or below is None:
        return None
    return round(above - below, 2)

"""A table of the paper, ours beside the paper's: JSON, Markdown, flagfiles."""

import json
import os

import numpy as np

from adl_tf.files import write_whole
from experiments.measured import difference, keep, machine
from experiments.paper import COLUMNS, backbone_of


def collect(table, runs):
    """What the finished runs of a table measured.

    Args:
        table: `Table`.
        runs: Dictionary from names of rows to lists of `TableRun`.

    Returns:
        Dictionary for JSON: `rows`, and `claims` with the verdict on each.
    """
    done = {
        name: [found for found in (run.read() for run in row_runs) if found]
        for name, row_runs in runs.items()
    }
    rows = []
    for row in table.rows:
        measured = done[row.name]
        first = measured[0] if measured else None
        rows.append(
            {
                "name": row.name,
                "backbone": backbone_of(row.name),
                "label": row.label,
                "paper": dict(zip(COLUMNS, row.published)),
                "runs": [found["row"] for found in measured],
                "flags": first and first["flags"],
                "environment": first and first["environment"],
                "protocol": first and first["metrics"]["protocol"],
                "num_images": first and first["metrics"]["num_images"],
            }
        )
    published = {row["name"]: row["paper"] for row in rows}
    claims = [
        {
            "text": claim.text,
            "above": claim.above,
            "below": claim.below,
            "metric": claim.metric,
            "paper": _points(published, claim),
            **verdict(claim.metric, done[claim.above], done[claim.below]),
        }
        for claim in table.claims
    ]
    return {"title": table.title, "rows": rows, "claims": claims}


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


def write_results(name, result, runs, folder):
    """Writes a table and keeps the small files of its runs.

    Args:
        name: Of the files, such as `"table1_cub25"`.
        result: What `collect` returned.
        runs: Dictionary from names of rows to lists of `TableRun`.
        folder: Folder to write to.

    Returns:
        The table as text.
    """
    os.makedirs(folder, exist_ok=True)
    for row_runs in runs.values():
        for run in row_runs:
            if run.read():
                leaf = os.path.basename(run.workdir)
                keep(run.workdir, os.path.join(folder, run.data, leaf))
    path = os.path.join(folder, name)
    write_whole(path + ".json", json.dumps(result, indent=1) + "\n")
    text = as_markdown(name, result)
    write_whole(path + ".md", text)
    return text


def as_markdown(name, result):
    """The table, with the paper's figures in brackets.

    Args:
        name: Name of the table's files.
        result: What `collect` returned, with `data` and `note`.

    Returns:
        Text.
    """
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
    ]
    for row in result["rows"]:
        cells = [_cell(row, column) for column in COLUMNS]
        count, epochs, minutes = len(row["runs"]), "", ""
        if count:
            epochs = row["flags"]["epochs"]
            minutes = np.mean([run["minutes"] for run in row["runs"]])
            minutes = f"{minutes:.1f}"
        label = f"[{row['label']}](../rows/{row['name']}.cfg)"
        lines.append(
            f"| {row['backbone']} | {label} | {' | '.join(cells)} | "
            f"{count or 'not run'} | {epochs} | {minutes} |"
        )
    lines += [
        "",
        "## What the paper says, and what was found",
        "",
        "Held or not held: the difference has one sign for all seeds, and the "
        "95 % interval of a paired bootstrap over the test pictures leaves out "
        "zero. All else is within noise. Of a single seed the interval does "
        "not cover what other seeds would do.",
        "",
        "| claim | metric | paper | ours (95 %) | seeds | |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for claim in result["claims"]:
        ours = seeds = ""
        if claim["verdict"] != "not run":
            low, high = claim["interval"]
            ours = f"{claim['difference']:+.1f} ({low:+.1f} to {high:+.1f})"
            seeds = ", ".join(f"{each:+.1f}" for each in claim["seeds"])
        paper = "" if claim["paper"] is None else f"{claim['paper']:+.2f}"
        lines.append(
            f"| {claim['text']} | {claim['metric']} | {paper} | {ours} | "
            f"{seeds} | **{claim['verdict']}** |"
        )
    measured = [row for row in result["rows"] if row["runs"]]
    lines.append("")
    for line in dict.fromkeys(
        f"{row['num_images']} test pictures, protocol `{row['protocol']}`. "
        f"{machine(row['environment'])}."
        for row in measured
    ):
        lines += [line, ""]
    lines += [
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
            f"{column} {np.mean([run[column] for run in row['runs']]):.1f}"
            for column in COLUMNS
        )
        minutes = np.mean([run["minutes"] for run in row["runs"]])
        seeds = ", ".join(str(run["seed"]) for run in row["runs"])
        note = (
            f"{start} {row['flags']['epochs']} epochs, seed {seeds}: "
            f"{scores}; {minutes:.0f} minutes a run"
        )
        others = [line for line in head if line.startswith("# On ")]
        head = [line for line in head if line not in others]
        notes = sorted((*others, note))
        write_whole(path, "\n".join((*head, *notes, *rest)) + "\n")


def _cell(row, column):
    paper = row["paper"][column]
    paper = "" if paper is None else f" ({paper:.2f})"
    values = [run[column] for run in row["runs"]]
    if not values:
        return paper.strip()
    if len(values) == 1:
        return f"{values[0]:.1f}{paper}"
    return f"{np.mean(values):.1f} ± {np.std(values, ddof=1):.1f}{paper}"


def _points(published, claim):
    above, below = (
        published[name][claim.metric] for name in (claim.above, claim.below)
    )
    if above is None or below is None:
        return None
    return round(above - below, 2)

"""A table of the paper as text: in Markdown, and at the heads of flagfiles."""

import os

import numpy as np

from adl_tf.files import write_whole
from experiments.measured import machine
from experiments.paper import COLUMNS

_MIXED = (
    "Not compared: one of the rows was recorded before, or they share no seed; "
    "the interval needs both in one go."
)


def as_markdown(result):
    """The table, with the paper's figures in brackets.

    Args:
        result: What `collect` returned, with `data`, `note` and
            `best_centred_square`.

    Returns:
        Text.
    """
    environments = dict.fromkeys(
        f"{row['num_images']} test images, protocol `{row['protocol']}`. "
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
        *_centred_square(result["best_centred_square"]),
        "",
        "## What the paper says, and what was found",
        "",
        "Held or not held: the difference has one sign for all seeds, and the "
        "95 % interval of a paired bootstrap over the test images leaves out "
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


def _centred_square(score):
    """The row of what ignores the images, and what it is."""
    if score is None:
        return []
    return [
        f"| | best centred square | {score:.1f} |  |  |  |  |  |",
        "",
        "The best centred square is the same box for all images, of the size "
        "that is best for the test images.",
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

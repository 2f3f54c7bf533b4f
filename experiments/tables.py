"""Makes a table of the paper, beside the paper's own figures.

    python -m experiments.tables --table=3 --data=cub25
    python -m experiments.tables --table=3 --data=cub25 \\
        --data_dir=CUB_200_2011 --list
    python -m experiments.tables --table=3 --data=cub25 \\
        --data_dir=CUB_200_2011

The first makes the table from the records in --results_dir and trains nothing.
With --data_dir or --rows, rows without a record are trained and scored first,
a work directory for each row and seed in --runs_dir; the same command goes on
where it was interrupted. Each row is a flagfile in experiments/rows, each data
set one in experiments/data.

Writes table3_cub25.md, .csv and .tex: means and deviations over the seeds at
three thresholds, under both protocols, and whether the paper's claims hold. The
record of each run goes to cub25/ beside them, as soon as it is scored.

Keras downloads the ImageNet weights of most rows into ~/.keras/models. Needs
pip install 'adl-tf[experiments]'.
"""

import glob
import os

from absl import flags

from adl_tf import command
from adl_tf import flags as run_flags  # noqa: F401 (--data_dir, --strategy)
from adl_tf.errors import AdlTfError, DataError, UsageError
from adl_tf.workdir.flagfile import read_flags
from experiments.records import RESULTS, keep, read_run
from experiments.table_runs import PROTOCOLS, TableRun, data_flagfile

flags.DEFINE_enum("table", "1", ("1", "2", "3"), "The table.")
flags.DEFINE_string(
    "data",
    "cub25",
    "Data set: name of a flagfile in experiments/data, or path of your own.",
)
flags.DEFINE_list(
    "rows",
    None,
    "Names of the rows to train, also if they are recorded; --rows= trains "
    "none [with --data_dir all without a record whose weights are there].",
)
flags.DEFINE_list("seeds", ["0", "1", "2"], "Seeds of the runs of a row.")
flags.DEFINE_string("runs_dir", "runs", "Folder of the work directories.")
flags.DEFINE_string(
    "val_split",
    None,
    "Split that chooses a threshold [train-val10, ten training images a class, "
    "whose boxes training does not read; none with ilsvrc, which lacks them].",
)
flags.DEFINE_boolean("list", False, "Show the rows and their state; no more.")
flags.DEFINE_string(
    "results_dir", None, "Folder of records and tables [experiments/results]."
)


def main(values):
    command.require_extra("experiments", "pandas", "tabulate")
    flagfile = data_flagfile(values.data)
    data = read_flags(flagfile)
    _check_data(values, data)
    from experiments.paper import paper_table

    table = paper_table(int(values.table), data["dataset"])
    name = os.path.basename(flagfile).removesuffix(".cfg")
    runs = _runs(values, list(table.rows.index), flagfile, name)
    records = os.path.join(values.results_dir or RESULTS, name)
    if values.list:
        print(f"{table.title}; {name}\n{_as_list(runs, records)}")
        return
    val_split = values.val_split
    if val_split is None and data["dataset"] != "ilsvrc":
        val_split = "train-val10"
    failed = _train(values, runs, records, val_split)
    for run in runs:
        if run.state == "done":
            _keep(run, records)
    print(_write(table, f"table{values.table}_{name}", flagfile, records))
    if failed:
        raise AdlTfError(
            f"not done, for the reasons above: {', '.join(failed)}; the same "
            "command tries again"
        )


def _check_data(values, data):
    """Reads the test split, so that a wrong --data_dir is reported first."""
    if values.data_dir is not None:
        from adl_tf.datasets.load import load_examples

        command.load_reader(data["dataset"])
        load_examples(
            data["dataset"], values.data_dir, "test", data.get("classes")
        )
    elif values.rows and data["dataset"] != "synthetic_birds":
        raise UsageError(f"--data={values.data} needs --data_dir")


def _runs(values, names, flagfile, data):
    """List of the runs of the rows and seeds that the flags name."""
    for name in values.rows or ():
        if name not in names:
            raise UsageError(
                f"--rows: table {values.table} of {data} has no row '{name}', "
                f"but {', '.join(names)}"
            )
    try:
        seeds = [int(seed) for seed in values.seeds]
    except ValueError as error:
        raise UsageError(
            f"--seeds={','.join(values.seeds)}: whole numbers separated by "
            "commas expected"
        ) from error
    folder = os.path.join(values.runs_dir, data)
    return [
        TableRun(name, flagfile, seed, folder)
        for name in (values.rows or names)
        for seed in seeds
    ]


def _is_recorded(run, records):
    return os.path.isdir(os.path.join(records, run.name))


def _as_list(runs, records):
    """A line a row: state and seeds, one word for seeds that share it."""
    rows = {}
    for run in runs:
        state = "recorded" if _is_recorded(run, records) else run.state
        rows.setdefault(run.row, {}).setdefault(state, []).append(run.seed)
    width = max(map(len, rows))
    return "\n".join(
        f"{row:{width}}  "
        + ", ".join(
            f"{state} (seed {' '.join(map(str, seeds))})"
            for state, seeds in states.items()
        )
        for row, states in rows.items()
    )


def _train(values, runs, records, val_split):
    """Trains what is to be trained; returns the folders of what failed."""
    if values.rows is None and values.data_dir is not None:
        runs = [run for run in runs if not _is_recorded(run, records)]
    elif not values.rows:
        return []
    passed_on = [
        f"--{name}={values[name].value}"
        for name in ("data_dir", "strategy")
        if not values[name].using_default_value
    ]
    failed, lacking = [], {}
    for run in (run for run in runs if run.state != "done"):
        if run.missing:
            lacking[run.missing] = None
            continue
        try:
            run.do(passed_on, val_split)
            _keep(run, records)
        except DataError as error:
            print(f"{run.workdir}: {error}")
            failed.append(run.workdir)
    for path in lacking:
        print(f"left out: rows that need {path}")
    return failed


def _keep(run, records):
    found = read_run(run.workdir, PROTOCOLS)
    run.check_flags(found)
    keep(found, os.path.join(records, run.name))


def _write(table, name, flagfile, records):
    """Writes the table of all records; returns it as text."""
    from experiments.page import write_result

    groups = {}
    for row in table.rows.index:
        paths = glob.glob(os.path.join(glob.escape(records), f"{row}_s*"))
        found = [read_run(path, PROTOCOLS) for path in paths]
        for run in found:
            TableRun(row, flagfile, run.seed, "").check_flags(run)
        groups[row] = sorted(found, key=lambda run: run.seed)
    if not any(groups.values()):
        return f"{name}: no row has a record yet"
    with open(flagfile, encoding="utf-8") as file:
        about = " ".join(line[2:].strip() for line in file if line[:2] == "# ")
    folder = os.path.dirname(records)
    text, paths = write_result(folder, name, table, groups, [about])
    for path in paths:
        print(f"written: {path}")
    return text


if __name__ == "__main__":
    command.run(
        main,
        "experiments.tables",
        (
            "table",
            "data",
            "data_dir",
            "rows",
            "seeds",
            "list",
            "runs_dir",
            "results_dir",
            "val_split",
            "strategy",
        ),
    )

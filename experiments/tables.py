"""Makes a table of the paper, beside the paper's own figures.

    python -m experiments.tables --table=3 --data=cub25
    python -m experiments.tables --table=3 --data=cub25 \\
        --data_dir=CUB_200_2011 --list
    python -m experiments.tables --table=3 --data=cub25 \\
        --data_dir=CUB_200_2011
    python -m experiments.tables --table=3-cost

The first makes the table from the records in --results_dir and trains nothing.
With --data_dir or --rows, rows without a record are trained and scored first,
a work directory for each row and seed in --runs_dir; the same command goes on
where it was interrupted. Each row is a flagfile in experiments/rows, each data
set one in experiments/data.

Writes table3_cub25.md, .csv and .tex: means and deviations over the seeds at
three thresholds, under both protocols, and whether the paper's claims hold. The
record of each run goes to cub25/ beside them, as soon as it is scored.

--table=3-cost measures what methods cost: parameters, multiply-accumulates and
the time of a step. No weights are read for it.

Keras downloads the ImageNet weights of most rows into ~/.keras/models. Needs
pip install 'adl-tf[experiments]'.
"""

import glob
import os

from absl import flags as absl_flags

from adl_tf import command, flags
from adl_tf.errors import AdlTfError, DataError, UsageError
from experiments.records import RESULTS, keep, read_run
from experiments.table_runs import PROTOCOLS, Data, TableRun

absl_flags.DEFINE_enum("table", "1", ("1", "2", "3", "3-cost"), "The table.")
absl_flags.DEFINE_string(
    "data",
    "cub25",
    "Data set: name of a flagfile in experiments/data, or path of your own.",
)
absl_flags.DEFINE_list(
    "rows",
    None,
    "Names of the rows to train, also if they are recorded; --rows= trains "
    "none [with --data_dir all without a record whose weights are there].",
)
absl_flags.DEFINE_list("seeds", ["0", "1", "2"], "Seeds of the runs of a row.")
absl_flags.DEFINE_string("runs_dir", "runs", "Folder of the work directories.")
absl_flags.DEFINE_string(
    "val_split",
    None,
    "Split that chooses a threshold [train-val10, ten training images a class; "
    "none with ilsvrc].",
)
absl_flags.DEFINE_boolean(
    "list", False, "Show the rows and their state; no more."
)
absl_flags.DEFINE_string(
    "results_dir", None, "Folder of records and tables [experiments/results]."
)
absl_flags.DEFINE_integer(
    "rounds",
    7,
    "With --table=3-cost: timed steps of each method, of which the median is "
    "taken.",
    1,
)
# A step of VGG16 with more takes minutes on a CPU.
absl_flags.FLAGS.set_default("batch_size", 4)


def main(values):
    if values.table == "3-cost":
        if values.list:
            raise UsageError("--list is for the tables of results, 1 to 3")
        _write_costs(values)
        return
    command.require_extra("experiments", "pandas", "tabulate")
    data = Data.of_flag(values.data)
    _check_data(values, data)
    from experiments.paper import paper_table

    table = paper_table(int(values.table), data.flags["dataset"])
    runs = _runs(values, table, data)
    records = os.path.join(values.results_dir or RESULTS, data.name)
    if values.list:
        print(f"{table.title}; {data.name}\n{_as_list(runs, records)}")
        return
    failed = _train(values, data, runs, records)
    for run in runs:
        if run.is_done:
            _keep(run, records)
    print(_write(values, data, table, records))
    if failed:
        raise AdlTfError(
            f"not done, for the reasons above: {', '.join(failed)}; the same "
            "command tries again"
        )


def _check_data(values, data):
    """Reads the test split, so that a wrong --data_dir is reported first."""
    if values.data_dir is None:
        if values.rows and data.flags["dataset"] != "synthetic_birds":
            raise UsageError(f"--data={data.name} needs --data_dir")
        return
    from adl_tf.datasets.load import load_examples

    dataset = data.flags["dataset"]
    command.load_reader(dataset)
    classes = data.flags.get("classes")
    load_examples(dataset, values.data_dir, "test", classes)


def _runs(values, table, data):
    """List of the runs of the rows and seeds that the flags name."""
    names = list(table.rows.index)
    for name in values.rows or ():
        if name not in names:
            raise UsageError(
                f"--rows: table {values.table} of {data.name} has no row "
                f"'{name}', but {', '.join(names)}"
            )
    try:
        seeds = [int(seed) for seed in values.seeds]
    except ValueError as error:
        raise UsageError(
            f"--seeds={','.join(values.seeds)}: whole numbers separated by "
            "commas expected"
        ) from error
    return [
        TableRun(name, data, seed, values.runs_dir)
        for name in (values.rows or names)
        for seed in seeds
    ]


def _as_list(runs, records):
    """A line a row: state and seeds, one word for seeds that share it."""
    width = max(len(run.row) for run in runs)
    rows = {}
    for run in runs:
        is_kept = os.path.isdir(os.path.join(records, run.name))
        state = "recorded" if is_kept else run.state()
        rows.setdefault(run.row, {}).setdefault(state, []).append(run.seed)
    return "\n".join(
        f"{row:{width}}  "
        + ", ".join(
            f"{state} (seed {' '.join(map(str, seeds))})"
            for state, seeds in states.items()
        )
        for row, states in rows.items()
    )


def _train(values, data, runs, records):
    """Trains what is to be trained; returns the folders of what failed."""
    if values.rows is None:
        if values.data_dir is None:
            return []
        runs = [
            run
            for run in runs
            if not os.path.isdir(os.path.join(records, run.name))
        ]
    elif not values.rows:
        return []
    val_split = values.val_split
    if val_split is None:
        val_split = data.val_split
    failed, lacking = [], {}
    for run in runs:
        if run.is_done:
            continue
        if run.missing:
            lacking[run.missing] = None
            continue
        try:
            run.do(_passed_on(values), val_split)
            _keep(run, records)
        except DataError as error:
            print(f"{run.workdir}: {error}")
            failed.append(run.workdir)
    for path in lacking:
        print(f"left out: rows that need {path}")
    return failed


def _passed_on(values):
    return [
        f"--{name}={values[name].value}"
        for name in ("data_dir", "strategy")
        if not values[name].using_default_value
    ]


def _keep(run, records):
    found = read_run(run.workdir, PROTOCOLS)
    run.check_flags(found)
    keep(found, os.path.join(records, run.name))


def _write(values, data, table, records):
    """Writes the table of all records; returns it as text."""
    from experiments.page import write_result

    groups = {}
    for name in table.rows.index:
        paths = glob.glob(os.path.join(glob.escape(records), f"{name}_s*"))
        found = [read_run(path, PROTOCOLS) for path in paths]
        for run in found:
            TableRun(name, data, run.seed, "").check_flags(run)
        groups[name] = sorted(found, key=lambda run: run.seed)
    if not any(groups.values()):
        return f"{table.title}; {data.name}: no row has a record yet"
    folder = os.path.dirname(records)
    name = f"table{values.table}_{data.name}"
    text, paths = write_result(folder, name, table, groups, [data.description])
    for path in paths:
        print(f"written: {path}")
    return text


def _write_costs(values):
    from adl_tf.training.memory import keep_freed_memory

    keep_freed_memory()
    command.load_tensorflow()
    from experiments.table3_cost import write_table

    print(
        write_table(
            flags.settings(values),
            values.rounds,
            values.results_dir or RESULTS,
        )
    )


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
            "rounds",
            "batch_size",
            "input_size",
        ),
    )

"""Runs a table of the paper and writes it beside the paper's figures.

    python -m experiments.tables --table=1 --data=cub25 \\
        --data_dir=CUB_200_2011 --list
    python -m experiments.tables --table=3-cost

Trains and scores every row that has no result yet, one work directory a row and
seed in --runs_dir, and goes on where it was interrupted. Each row is a
flagfile in experiments/rows, each data set one in experiments/data, and both
say what they reproduce.

Files that git tracks are changed: experiments/results/table1_cub25.md and
.json, with what the paper says and whether it was found, the records of the
runs beside them, and the head of each flagfile, which says what was reached.
Rows that are recorded there are kept, and run again only if --rows names them.
With --results_dir all is written there, from nothing, and no tracked file
changes.

--table=3-cost measures what methods cost rather than reach: parameters,
multiply-accumulates and the time of a step. No weights are read for it.

Keras downloads the ImageNet weights of most rows into ~/.keras/models, and
takes those that are there.
"""

import os

from absl import flags as absl_flags

from adl_tf import command, flags
from adl_tf.errors import AdlTfError, UsageError
from experiments.measured import RESULTS, keep, write_result
from experiments.paper import paper_table
from experiments.table_runs import DATA, FOLDER, PROTOCOL, TableRun

TABLES = ("1", "2", "3", "3-cost")

absl_flags.DEFINE_enum("table", "1", TABLES, "The table.")
absl_flags.DEFINE_enum("data", "cub25", DATA, "Flagfile of the data set.")
absl_flags.DEFINE_list(
    "rows",
    None,
    "Names of the rows to run; --rows= runs none and writes the table of what "
    "is there [all that are not recorded and whose weights are there].",
)
absl_flags.DEFINE_list("seeds", ["0", "1", "2"], "Seeds of the runs of a row.")
absl_flags.DEFINE_string("runs_dir", "runs", "Folder of the work directories.")
absl_flags.DEFINE_boolean(
    "list",
    False,
    "Show the rows, their state and about how long training takes; no more.",
)
absl_flags.DEFINE_string(
    "results_dir", None, "Where to write the table [experiments/results]."
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
    table = paper_table(int(values.table), values.data)
    runs = _runs(values, table)
    recorded = _recorded_seeds(values, runs)
    if values.list:
        print(_as_list(f"{table.title}; {values.data}", runs, recorded))
        return
    chosen = values.rows
    if chosen is None:
        chosen = [name for name in runs if name not in recorded]
    # Also a row that was not chosen is written if it is done.
    to_do = [run for name in chosen for run in runs[name] if not run.is_done]
    if to_do and values.data != "synthetic" and not values.data_dir:
        raise UsageError(f"--data={values.data} needs --data_dir")
    failed, lacking = [], []
    for run in to_do:
        if run.missing:
            lacking.append(run.missing)
        elif run.do(_passed_on(values)):
            _write(values, table, runs)
        else:
            failed.append(run.workdir)
    if recorded or any(run.is_done for each in runs.values() for run in each):
        print(f"\n{_write(values, table, runs)}")
    left = [name for name in recorded if name not in chosen]
    if left:
        print(f"recorded before, run again by --rows: {', '.join(left)}")
    for path in dict.fromkeys(lacking):
        print(f"left out: rows that need {path}")
    if failed:
        raise AdlTfError(
            f"not done, for the reasons above: {', '.join(failed)}; the same "
            "command tries again"
        )


def _runs(values, table):
    """Dictionary from names of rows to the runs of all seeds."""
    names = [row.name for row in table.rows]
    for name in values.rows or ():
        if name not in names:
            raise UsageError(
                f"--rows: table {values.table} of {values.data} has no row "
                f"'{name}', but {', '.join(names)}"
            )
    try:
        seeds = [int(seed) for seed in values.seeds]
    except ValueError as error:
        raise UsageError(
            f"--seeds={','.join(values.seeds)}: whole numbers separated by "
            "commas expected"
        ) from error
    return {
        name: [
            TableRun(
                name,
                values.data,
                seed,
                os.path.join(values.runs_dir, values.data, f"{name}_s{seed}"),
            )
            for seed in seeds
        ]
        for name in names
    }


def _recorded_seeds(values, runs):
    """Seeds of the rows that are recorded, and not begun anew here."""
    from experiments.table_results import read_record

    record = read_record(_name(values), values.results_dir or RESULTS)
    return {
        row["name"]: [run["seed"] for run in row["runs"]]
        for row in record["rows"]
        if row["runs"]
        and not any(run.epochs_done for run in runs.get(row["name"], ()))
    }


def _as_list(title, runs, recorded):
    everything = [run for row_runs in runs.values() for run in row_runs]
    width = max(len(run.name) for run in everything)
    lines, total = [title], 0.0
    for name, row_runs in runs.items():
        seconds = sum(
            run.seconds_left(everything)
            for run in row_runs
            if not run.is_trained
        )
        # One word for seeds that are at the same point.
        seeds = {}
        if name in recorded:
            seeds["recorded"] = recorded[name]
            left = f"; about {_duration(seconds)} to run it again"
        else:
            total += seconds
            for run in row_runs:
                seeds.setdefault(run.state(), []).append(run.seed)
            left = f"; about {_duration(seconds)} left" if seconds else ""
        states = ", ".join(
            f"{state} (seed {' '.join(map(str, numbers))})"
            for state, numbers in seeds.items()
        )
        lines.append(f"{name:{width}}  {states}{left}")
    lines.append(
        f"in all about {_duration(total)} left: an estimate, from what runs "
        "took on 2 CPU cores"
    )
    return "\n".join(lines)


def _duration(seconds):
    minutes = round(seconds / 60)
    if minutes < 120:
        return f"{minutes} min"
    hours = round(minutes / 60)
    return f"{hours} h" if hours < 72 else f"{round(hours / 24)} days"


def _passed_on(values):
    names = ("data_dir", "strategy")
    return [
        f"--{name}={values[name].value}"
        for name in names
        if not values[name].using_default_value
    ]


def _name(values):
    """Name of the table's files, without the ending."""
    return f"table{values.table}_{values.data}"


def _write(values, table, runs):
    from experiments import table_results, table_text

    folder = values.results_dir or RESULTS
    records = os.path.join(folder, values.data)
    for run in (run for row_runs in runs.values() for run in row_runs):
        if run.is_done:
            leaf = os.path.basename(run.workdir)
            keep(run.workdir, os.path.join(records, leaf), PROTOCOL)
    record = table_results.read_record(_name(values), folder)
    result = table_results.collect(table, runs, record)
    with open(
        os.path.join(FOLDER, "data", f"{values.data}.cfg"), encoding="utf-8"
    ) as file:
        heading = [line[2:].strip() for line in file if line.startswith("# ")]
    result = {
        "data": " ".join(heading),
        "note": table.note,
        "best_centred_square": table_results.best_centred_square(
            result["rows"], records
        ),
        **result,
    }
    text = table_text.as_markdown(result)
    write_result(folder, _name(values), result, text)
    # A table that is put elsewhere is not the repository's.
    if not values.results_dir:
        table_text.note_in_flagfiles(
            result, values.data, os.path.join(FOLDER, "rows")
        )
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
            "strategy",
            "rounds",
            "batch_size",
            "input_size",
        ),
    )

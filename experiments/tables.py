"""Measures a table of the paper and writes it beside the paper's figures.

    python -m experiments.tables --table=3-cost

Writes experiments/results/table3_cost.md and .json: parameters, multiply-
accumulates and the time of a step, of every method that is there, against CAM
on its backbone. Takes some minutes on a CPU; no weights are read.
"""

import os

from absl import flags as absl_flags

from adl_tf import command, flags

TABLES = ("3-cost",)
RESULTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "results")

absl_flags.DEFINE_enum("table", "3-cost", TABLES, "The table.")
absl_flags.DEFINE_integer(
    "rounds", 7, "Timed steps of each method, of which the median is taken.", 1
)
# A step of VGG16 with more takes minutes on a CPU.
absl_flags.FLAGS.set_default("batch_size", 4)


def main(values):
    from adl_tf.training.memory import keep_freed_memory

    keep_freed_memory()
    command.load_tensorflow()
    from experiments.table3_cost import write_table

    print(write_table(flags.settings(values), values.rounds, RESULTS))


if __name__ == "__main__":
    command.run(
        main,
        "experiments.tables",
        ("table", "rounds", "batch_size", "input_size"),
    )

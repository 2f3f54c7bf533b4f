"""Shows what runs have learnt: one page, to look at and to send.

    python -m adl_tf.report --workdir=runs/adl
    python -m adl_tf.report --workdir=runs/cam --compare=runs/adl \\
        --output_dir=runs/cam_and_adl

Writes index.html, a single file that needs no network: settings, training, the
accuracies under every protocol that adl_tf.evaluate was called with, and the
images with heatmaps and boxes at any threshold. With --compare, the runs are
side by side, and differences are those from --workdir.
"""

import os

from absl import flags as absl_flags

from adl_tf import (
    command,
    flags,  # noqa: F401 (defines --workdir)
)
from adl_tf.errors import UsageError

absl_flags.DEFINE_list(
    "compare", [], "More work directories, with commas between."
)
absl_flags.DEFINE_string(
    "output_dir", None, "Folder to write to [report/ in the work directory]."
)


def main(values):
    if not values.workdir:
        raise UsageError("--workdir is needed: what adl_tf.train wrote to")
    from adl_tf.reporting.report import write_report
    from adl_tf.workdir.reading import read_runs

    runs = read_runs([values.workdir, *values.compare])
    output_dir = values.output_dir or os.path.join(values.workdir, "report")
    path, unreadable = write_report(runs, output_dir)
    if unreadable:
        print(
            "images that cannot be read and are left blank: "
            f"{len(unreadable)}, the first of them {unreadable[0]}"
        )
    size = os.path.getsize(path) / 1e6
    print(f"written, {size:.1f} MB: open {os.path.abspath(path)}")


if __name__ == "__main__":
    command.run(main, "adl_tf.report", ("workdir", "compare", "output_dir"))

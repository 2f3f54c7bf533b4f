"""Scores a trained model: is the class right, and is the box?

    python -m adl_tf.evaluate --workdir=runs/quickstart

Writes metrics.json and per_image.jsonl into the work directory, or into
--output_dir. The protocol says how boxes are made and when they are right;
numbers of different protocols cannot be compared.
"""

import json
import os

from absl import flags as absl_flags

from adl_tf import command, flags
from adl_tf.errors import UsageError

PROTOCOL_NAMES = ("adl_cvpr19", "wsoleval_cvpr20")

absl_flags.DEFINE_enum(
    "protocol",
    "adl_cvpr19",
    PROTOCOL_NAMES,
    "The rules: adl_cvpr19 as the paper's tables, wsoleval_cvpr20 as the "
    "authors' later comparison of methods.",
)
absl_flags.DEFINE_string("split", "test", "Split of the data set to score.")
absl_flags.DEFINE_string(
    "output_dir", None, "Where to write [the work directory]."
)


def main(values):
    if not values.workdir:
        raise UsageError("--workdir is needed: the folder of a trained model")
    command.load_tensorflow()
    from adl_tf.datasets.load import load_examples
    from adl_tf.localization.protocols import PROTOCOLS
    from adl_tf.training.evaluation import evaluate
    from adl_tf.training.trained import load_trained
    from adl_tf.training.workdir import write_whole

    settings = flags.settings(values)
    protocol = PROTOCOLS[values.protocol]
    examples = load_examples(
        settings.dataset, settings.data_dir, values.split, settings.classes
    )
    model = load_trained(settings)
    metrics, records = evaluate(model, examples, protocol, settings)
    metrics = {
        "protocol": protocol.name,
        "dataset": settings.dataset,
        "split": values.split,
        **metrics,
    }
    output_dir = values.output_dir or settings.workdir
    os.makedirs(output_dir, exist_ok=True)
    write_whole(
        os.path.join(output_dir, "per_image.jsonl"),
        "".join(json.dumps(record) + "\n" for record in records),
    )
    path = os.path.join(output_dir, "metrics.json")
    replaced = ""
    if os.path.isfile(path):
        with open(path, encoding="utf-8") as file:
            replaced = f", in place of {json.load(file).get('protocol')}"
    # A line an entry: the curve has a thousand numbers.
    lines = [f' "{key}": {json.dumps(metrics[key])}' for key in metrics]
    write_whole(path, "{\n" + ",\n".join(lines) + "\n}\n")
    print(summary(metrics))
    print(f"written: {path} ({protocol.name}{replaced})")


def summary(metrics):
    """The accuracies as a table of a few lines.

    Args:
        metrics: What metrics.json holds.

    Returns:
        Text.
    """
    lines = [
        f"{metrics['num_images']} pictures, protocol {metrics['protocol']}",
        f"Top-1 Clas {metrics['top1_clas']:5.1f} %   "
        f"Top-5 Clas {metrics['top5_clas']:5.1f} %",
    ]
    for key, remark in (("fixed_tau", "fixed"), ("best_tau", "best: oracle")):
        row = metrics[key]
        lines.append(
            f"GT-known Loc {row['gt_known_loc']:5.1f} %   "
            f"Top-1 Loc {row['top1_loc']:5.1f} %   "
            f"at threshold {row['tau']:g} ({remark})"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    command.run(
        main,
        "adl_tf.evaluate",
        (
            "workdir",
            "protocol",
            "split",
            "output_dir",
            "dataset",
            "data_dir",
            "classes",
            "batch_size",
        ),
        from_workdir=True,
    )

"""Scores heatmaps: is the class right, and is the box?

    python -m adl_tf.evaluate --workdir=runs/quickstart
    python -m adl_tf.evaluate --saved_model=model --dataset=cub \\
        --data_dir=CUB_200_2011 --output_dir=scores
    python -m adl_tf.evaluate --heatmaps=maps --metadata=data/metadata/test \\
        --output_dir=scores

The heatmaps come from a trained work directory, from an exported model, or
from .npy files that any program wrote. Writes metrics.json and per_image.jsonl
into the work directory or --output_dir, and what adl_tf.report shows into
evaluations/ there, where each protocol has its own files. The protocol says
how boxes are made and when they are right; numbers of different protocols
cannot be compared.
"""

import dataclasses
import functools
import os

from absl import flags as absl_flags

from adl_tf import command, flags, registry
from adl_tf.errors import UsageError
from adl_tf.evaluation.splits import read_splits
from adl_tf.evaluation.summary import summary
from adl_tf.settings import usual_resize_size

absl_flags.DEFINE_string(
    "saved_model", None, "Folder that adl_tf.export wrote, to score that."
)
absl_flags.DEFINE_string(
    "heatmaps",
    None,
    "Folder of heatmaps to score: <image_id>.npy, floats in [0, 1] of shape "
    "(height, width), of what the protocol shows the network.",
)
absl_flags.DEFINE_string(
    "metadata",
    None,
    "With --heatmaps: folder of the text files that describe the images (see "
    "data/README.md); the images are not needed.",
)
absl_flags.DEFINE_string(
    "predictions",
    None,
    "With --heatmaps: JSON lines with image_id, class_id and perhaps "
    "probability and top5; without it only boxes are scored.",
)
absl_flags.DEFINE_bool(
    "allow_missing",
    False,
    "With --heatmaps: count images without a usable heatmap as wrong.",
)
absl_flags.DEFINE_enum(
    "protocol",
    "adl_cvpr19",
    tuple(registry.PROTOCOLS),
    "The rules: adl_cvpr19 as the paper's tables, wsoleval_cvpr20 as the "
    "authors' later comparison of methods.",
)
absl_flags.DEFINE_string(
    "protocol_options",
    None,
    "Rules that another source reads otherwise, such as "
    "largest_by=rectangle,ground_truth=any; a wrong one lists them all.",
)
absl_flags.DEFINE_enum(
    "heatmap",
    "cam",
    tuple(registry.HEATMAPS),
    "With --workdir: how heatmaps are made. For networks with global average "
    "pooling cam and grad_cam agree.",
)
absl_flags.DEFINE_bool(
    "faithfulness",
    False,
    "With --workdir: hide parts of each image by its heatmap, and measure what "
    "becomes of the class's probability: 43 more forward passes an image.",
)
absl_flags.DEFINE_string("split", "test", "Split of the data set to score.")
absl_flags.DEFINE_string(
    "val_split",
    None,
    "Split of the data set to choose a threshold on, as val_tau.",
)
absl_flags.DEFINE_string(
    "save_heatmaps", None, "Folder to write every heatmap to, as .npy."
)
absl_flags.DEFINE_string(
    "output_dir", None, "Where to write [the work directory]."
)


# Flags that apply to some of the sources only.
_ONLY_WITH = {
    "metadata": ("heatmaps",),
    "predictions": ("heatmaps",),
    "allow_missing": ("heatmaps",),
    "heatmap": ("workdir",),
    "faithfulness": ("workdir",),
    "save_heatmaps": ("workdir", "saved_model"),
    "dataset": ("workdir", "saved_model"),
    "data_dir": ("workdir", "saved_model"),
    "boxes": ("workdir", "saved_model"),
    "classes": ("workdir", "saved_model"),
}


def main(values):
    sources = [
        name
        for name in ("workdir", "saved_model", "heatmaps")
        if values[name].value
    ]
    if len(sources) != 1:
        raise UsageError(
            "one of --workdir, --saved_model and --heatmaps is needed, not "
            f"{' and '.join(f'--{name}' for name in sources) or 'none'}"
        )
    for name, allowed in _ONLY_WITH.items():
        if sources[0] not in allowed and not values[name].using_default_value:
            raise UsageError(f"--{name} does not go with --{sources[0]}")
    output_dir = values.output_dir or values.workdir
    if not output_dir:
        raise UsageError(f"--{sources[0]} needs --output_dir")
    score = _score_folder if values.heatmaps else _score_network
    if not _is_chief(values):
        score(values)
        return
    from adl_tf.workdir.evaluations import write_results, writing_to

    with writing_to(output_dir):
        results = score(values)
        written = write_results(output_dir, *results)
    print(summary(results[0]))
    print(f"written: {written}")


def _is_chief(values):
    """Whether this process writes results; of several workers one does."""
    if values.heatmaps or values.strategy != "multi_worker":
        return True
    command.load_tensorflow()
    from adl_tf.training.strategy import is_chief

    return is_chief(values.strategy)


def _score_network(values):
    from adl_tf.datasets.load import load_split

    settings = flags.settings(values)
    protocol, exported_tau, step = _protocol(values), None, None
    if values.saved_model:
        settings, protocol, exported_tau = _rules_of_export(
            values, settings, protocol
        )
    else:
        from adl_tf.workdir import checkpoints

        checkpoints.require_any(values.workdir)
        step = checkpoints.latest_step(values.workdir)
    command.load_reader(settings.dataset)
    splits = read_splits(
        functools.partial(load_split, settings), values.split, values.val_split
    )
    command.load_tensorflow()
    # Classes are numbered as in training, whatever their numbers are here.
    names = _class_names(values, settings)
    examples, validation = (
        split and split.relabelled(names, "the model") for split in splits
    )
    from adl_tf.evaluation.network import evaluate
    from adl_tf.evaluation.scoring import Scoring

    network = _network(values, settings)

    def score(examples, save_heatmaps=None):
        scoring = Scoring(
            examples,
            protocol,
            network.input_size,
            settings.resize_size,
            save_heatmaps,
        )
        return scoring, evaluate(network, scoring, settings.batch_size)

    val_tau = None
    if validation is not None:
        val_tau = score(validation)[0].best_threshold()
    scoring, predictions = score(examples, values.save_heatmaps)
    about = {
        "dataset": settings.dataset,
        "classes": settings.classes,
        "heatmap": values.heatmap,
        "step": step,
    }
    if values.faithfulness:
        from adl_tf.evaluation.faithfulness import measure_faithfulness

        about["faithfulness"] = measure_faithfulness(
            network, scoring, settings.batch_size
        )
    taus = {"val_tau": val_tau, "exported_tau": exported_tau}
    return _results(values, about, scoring, predictions, validation, taus)


def _class_names(values, settings):
    """Names of the classes of the model, in the order of its outputs."""
    from adl_tf.exported.description import read_description
    from adl_tf.workdir.trained import class_names

    if values.saved_model:
        return read_description(values.saved_model).class_names
    return class_names(settings)


def _rules_of_export(values, settings, protocol):
    """Settings, protocol and threshold for an exported model."""
    from adl_tf.exported.description import as_exported, read_description

    command.require_folder("saved_model", values.saved_model, "adl_tf.export")
    if values["dataset"].using_default_value:
        raise UsageError(
            "--saved_model needs --dataset and --data_dir, or "
            "--flagfile=W/flags.cfg of the work directory W, which has both"
        )
    model = read_description(values.saved_model)
    # As in training, unless a flag says otherwise.
    if values.resize_size is None:
        settings = dataclasses.replace(
            settings,
            resize_size=model.resize_size
            or usual_resize_size(model.input_size),
        )
    if model.makes_boxes_of(protocol):
        return settings, as_exported(protocol), model.threshold
    print(
        f"the model's own boxes follow {model.protocol.name}, and their "
        f"threshold has no row under {protocol.name}"
    )
    return settings, as_exported(protocol), None


def _network(values, settings):
    from adl_tf.evaluation.network import exported_network, keras_network
    from adl_tf.evaluation.replicas import replicated
    from adl_tf.training.strategy import make_strategy
    from adl_tf.workdir.trained import load_trained

    if values.saved_model:
        return exported_network(values.saved_model)
    strategy = make_strategy(settings.strategy, settings.startup_timeout)
    with strategy.scope():
        network = keras_network(load_trained(settings), values.heatmap)
    return replicated(network, strategy)


def _score_folder(values):
    from adl_tf.datasets.metadata import metadata
    from adl_tf.evaluation.heatmap_folder import evaluate_folder
    from adl_tf.evaluation.scoring import Scoring

    if not values.metadata:
        raise UsageError("--heatmaps needs --metadata")
    if values.val_split and os.path.isfile(
        os.path.join(values.metadata, "image_ids.txt")
    ):
        raise UsageError(
            f"--metadata={values.metadata} is one split: with --val_split name "
            "the folder above it, and --split"
        )
    protocol = _protocol(values)
    settings = flags.settings(values)
    if protocol.centre_crop:
        print(
            f"{protocol.name}: heatmaps are taken to show the centre crop of "
            f"{values.input_size} pixels of images warped to "
            f"{settings.resize_size}; if they show whole images, add "
            "--protocol_options=centre_crop=false"
        )

    def read(split):
        return metadata(values.metadata, split, with_images=False)

    def score(examples):
        scoring = Scoring(
            examples, protocol, settings.input_size, settings.resize_size
        )
        problems = evaluate_folder(
            values.heatmaps, scoring, values.allow_missing
        )
        return scoring, problems

    examples, validation = read_splits(read, values.split, values.val_split)
    predictions = None
    if values.predictions:
        predictions = _predictions(values.predictions, examples)
    val_tau = None
    if validation is not None:
        val_tau = score(validation)[0].best_threshold()
    scoring, problems = score(examples)
    for problem in problems:
        print(f"counted as wrong: {problem}")
    about = {"dataset": "metadata", "num_missing": len(problems)}
    taus = {"val_tau": val_tau}
    return _results(values, about, scoring, predictions, validation, taus)


def _predictions(path, examples):
    from adl_tf.evaluation.predictions import read_predictions

    predictions = read_predictions(path, examples)
    largest = predictions.class_ids.max()
    if largest >= examples.num_classes or predictions.class_ids.min() < 0:
        print(
            f"{path} names class {largest}, and the data have classes "
            f"0-{examples.num_classes - 1}: are they counted from 0?"
        )
    return predictions


def _results(values, about, scoring, predictions, validation, taus):
    """Dictionary of metrics.json, lines of per_image.jsonl, and arrays."""
    metrics, records = scoring.result(predictions, **taus)
    metrics = {
        "protocol": scoring.protocol.name,
        "split": values.split,
        "val_split": values.val_split,
        "val_num_images": None if validation is None else len(validation),
        **about,
        **metrics,
    }
    return metrics, records, scoring.arrays(predictions)


def _protocol(values):
    from adl_tf.localization.protocols import PROTOCOLS, varied

    protocol = PROTOCOLS[values.protocol]
    if not values.protocol_options:
        return protocol
    try:
        return varied(protocol, values.protocol_options)
    except ValueError as error:
        raise UsageError(f"--protocol_options: {error}") from error


if __name__ == "__main__":
    command.run(
        main,
        "adl_tf.evaluate",
        (
            "workdir",
            "saved_model",
            "heatmaps",
            "metadata",
            "predictions",
            "allow_missing",
            "protocol",
            "protocol_options",
            "heatmap",
            "faithfulness",
            "split",
            "val_split",
            "save_heatmaps",
            "output_dir",
            "dataset",
            "data_dir",
            "boxes",
            "classes",
            "batch_size",
            "strategy",
            "startup_timeout",
            "input_size",
            "resize_size",
        ),
        from_workdir=True,
    )

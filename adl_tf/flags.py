"""The flags that describe a run. Work directories keep them in flags.cfg.

Nothing heavy is imported here: `--help` has to answer at once.
"""

import os
import types

from absl import flags

from adl_tf.errors import UsageError

DATASETS = ("synthetic_birds", "cub", "ilsvrc", "coco", "metadata")
BACKBONES = (
    "vgg_gap",
    "mobilenet_v1",
    "resnet50",
    "resnet50_se",
    "inception_v3",
    "small_cnn",
)
METHODS = ("cam", "has", "acol", "spg", "adl", "cutmix")
PROTOCOLS = ("adl_cvpr19", "wsoleval_cvpr20")


class _OpenEnumParser(flags.EnumParser):
    """One of the names, or a prefix and any name.

    Args:
        names: The names.
        prefix: Such as `"keras:"`, for the names of `keras.applications`.
    """

    def __init__(self, names, prefix):
        super().__init__((*names, f"{prefix}NAME"))
        self.prefix = prefix

    def parse(self, argument):
        if argument.startswith(self.prefix):
            return argument
        return super().parse(argument)


flags.DEFINE_string("workdir", None, "Work directory of the run.")
DATA = (
    flags.DEFINE(
        _OpenEnumParser(DATASETS, "tfds:"),
        "dataset",
        "synthetic_birds",
        "The data set. synthetic_birds is drawn on first use; metadata is any "
        "folder of images with the text files that data/README describes; "
        "NAME is any prepared data set of TensorFlow Datasets that has "
        "images and labels, with config and version if it has several, such "
        "as tfds:voc/2007.",
    ),
    flags.DEFINE_string(
        "data_dir",
        None,
        "Folder of the data set; with tfds:NAME, that of all data sets of "
        "TensorFlow Datasets [~/tensorflow_datasets].",
    ),
    flags.DEFINE_string(
        "boxes",
        None,
        "With tfds:NAME: folder of the text files that data/README describes, "
        "to take boxes from where the data set has none.",
    ),
    flags.DEFINE_string(
        "train_split",
        "train",
        "Split of the data set to train on; train[:90%] with tfds:NAME.",
    ),
    flags.DEFINE_string(
        "classes", None, "Classes to keep and relabel, from 1: 1-25 or 3,7,9."
    ),
    flags.DEFINE_integer(
        "resize_size",
        None,
        "Side in pixels to which images are warped [8/7 of --input_size: 256 "
        "for 224].",
        1,
    ),
    flags.DEFINE_integer(
        "input_size", 224, "Side in pixels of the crop that is classified.", 32
    ),
)
MODEL = (
    flags.DEFINE(
        _OpenEnumParser(BACKBONES, "keras:"),
        "backbone",
        "vgg_gap",
        "The network. NAME is any classifier of keras.applications, such as "
        "keras:DenseNet121.",
    ),
    flags.DEFINE_enum("method", "adl", METHODS, "The training method."),
    flags.DEFINE_string(
        "weights",
        "imagenet",
        "Where training starts: imagenet (downloaded by Keras), none (random) "
        "or a weight file: a format of Keras, .npz of Tensorpack, .pth or .pt "
        "of PyTorch.",
    ),
    flags.DEFINE_integer(
        "num_classes", None, "Number of classes [as the data set has].", 1
    ),
    flags.DEFINE_integer(
        "last_stride",
        None,
        "Stride where the network halves its map for the last time: 1 or 2 [1 "
        "as in the paper, and for keras:NAME as it is].",
    ),
    flags.DEFINE_string(
        "backbone_options",
        None,
        "Further options of the network, name=value,name=value: map_stride=8 "
        "for maps of 28x28 in vgg_gap, width=0.5 for a narrower mobilenet_v1, "
        "dropout_rate=0 or map_stride=16 for inception_v3.",
    ),
    flags.DEFINE_string(
        "adl_positions",
        None,
        "Layers after which ADL goes: names separated by commas, or one "
        "regular expression [the backbone's own positions].",
    ),
    flags.DEFINE_float(
        "adl_drop_rate",
        0.75,
        "Share of the steps that hide the strongest part.",
    ),
    flags.DEFINE_float(
        "adl_importance_rate",
        None,
        "Share of the steps that apply the importance map [all others].",
    ),
    flags.DEFINE_float(
        "adl_gamma",
        None,
        "Threshold of the drop mask, as a share of the largest attention [the "
        "paper's for the backbone].",
    ),
    flags.DEFINE_enum(
        "adl_selection",
        "batch",
        ("batch", "sample"),
        "Whether drop mask or importance map is drawn for a step or an image.",
    ),
    flags.DEFINE_string(
        "has_patch_size",
        "32",
        "Side in pixels of the patches that Hide-and-Seek hides; or sides "
        "separated by commas, one drawn for each image; or mixed: "
        "0,16,32,44,56.",
    ),
    flags.DEFINE_float(
        "has_hide_rate", 0.5, "Share of the patches that Hide-and-Seek hides."
    ),
    flags.DEFINE_float(
        "acol_threshold",
        0.6,
        "What ACoL's first branch hides from the second: places where its map, "
        "scaled to [0, 1], reaches this.",
    ),
    flags.DEFINE_string(
        "spg_thresholds",
        "0.7,0.05,0.5,0.05,0.7,0.1",
        "From where SPG takes a pixel for foreground, and up to where for "
        "background, when its branches B2, B1 and C learn: high,low for each.",
    ),
    flags.DEFINE_float(
        "cutmix_beta",
        1.0,
        "Both parameters of the Beta distribution of what CutMix leaves of a "
        "image.",
    ),
    flags.DEFINE_float(
        "cutmix_probability", 1.0, "Share of the steps that mix images."
    ),
    flags.DEFINE_boolean(
        "cutmix_area_corrected",
        True,
        "Whether labels count as the area that is left, not as it was drawn.",
    ),
)
TRAINING = (
    flags.DEFINE_integer("epochs", 50, "Passes over the training data.", 0),
    flags.DEFINE_integer(
        "batch_size", 32, "Images in a step, over all replicas.", 1
    ),
    flags.DEFINE_float("learning_rate", 0.001, "Rate of pretrained layers.", 0),
    flags.DEFINE_float(
        "head_learning_rate_ratio",
        10.0,
        "Rate of the new layers, and of the last stage of ResNets, as a "
        "multiple of --learning_rate.",
        0,
    ),
    flags.DEFINE_float(
        "bias_learning_rate_ratio",
        1.0,
        "Rate of biases, as a multiple of that of their layer: 2 in the codes "
        "of ACoL and SPG.",
        0,
    ),
    flags.DEFINE_float("weight_decay", 5e-4, "Factor of the L2 penalty.", 0),
    flags.DEFINE_enum(
        "weight_decay_on",
        "kernels",
        ("kernels", "all"),
        "What the L2 penalty is on: kernels alone (the authors' code), or all "
        "weights (ACoL's, SPG's and wsolevaluation's).",
    ),
    flags.DEFINE_enum(
        "schedule",
        "cosine",
        ("cosine", "step", "constant"),
        "How the rate falls: cosine to 0, step by a factor of 10 after 30, 60, "
        "90 and 100 of each 105 parts of the training (the authors'), or not "
        "(ACoL's and SPG's).",
    ),
    flags.DEFINE_integer("seed", 0, "Seed of everything that is random."),
    flags.DEFINE_enum(
        "strategy",
        "auto",
        ("auto", "one_device", "mirrored", "multi_worker"),
        "Where training runs: auto takes every GPU, and the CPU without one, "
        "of all machines that TF_CONFIG names.",
    ),
    flags.DEFINE_float(
        "startup_timeout",
        600,
        "How many seconds to wait for the other machines of TF_CONFIG.",
        1,
    ),
    flags.DEFINE_integer(
        "memory_budget",
        2048,
        "Memory for images, in MiB: decoded ones if all fit; if not, files "
        "of tfds:NAME that hold more are read one after the other, and as many "
        "images as fit are shuffled.",
        0,
    ),
    flags.DEFINE_boolean(
        "deterministic",
        False,
        "Whether two runs are to agree to the last bit; slower on GPUs.",
    ),
    flags.DEFINE_enum(
        "mixed_precision",
        "off",
        ("off", "float16", "bfloat16"),
        "Number format of the layers; float16 is for GPUs.",
    ),
)

RUN_NAMES = tuple(holder.name for holder in (*DATA, *MODEL, *TRAINING))


def settings(values):
    """The run's flags as a plain object, which tests can make too.

    Args:
        values: `absl.flags.FLAGS`.

    Returns:
        Namespace with an attribute for each flag of this module;
        `resize_size` is a number even where the flag is not set.
    """
    names = ("workdir", *RUN_NAMES)
    found = types.SimpleNamespace(
        **{name: values[name].value for name in names}
    )
    if found.resize_size is None:
        found.resize_size = usual_resize_size(found.input_size)
    return found


def usual_resize_size(input_size):
    """The side that images are warped to before a crop, as 256 for 224.

    Args:
        input_size: Side of the crop in pixels.

    Returns:
        Side in pixels.
    """
    return round(input_size * 256 / 224)


def refuse_other_methods(values, typed):
    """Refuses flags that change another method than the one that trains.

    Flagfiles may hold them: one of a data set suits every method.

    Args:
        values: `absl.flags.FLAGS`.
        typed: Names of the flags that the user typed.

    Raises:
        UsageError: If one belongs to another method and has not its default.
    """
    for name in typed:
        name = name if name in values else name.removeprefix("no")
        owner = name.partition("_")[0]
        if owner not in METHODS or owner == values.method:
            continue
        flag = values[name]
        if flag.value != flag.default:
            raise UsageError(
                f"--{name} belongs to --method={owner} and means nothing to "
                f"--method={values.method}: leave one of them out"
            )


def as_flagfile(run_settings):
    """The lines of a flagfile that repeats these settings.

    Args:
        run_settings: What `settings` returned.

    Returns:
        Text, one flag a line, without `--workdir` and without flags that are
        not set.

    Raises:
        UsageError: If a value would not come back from a line.
    """
    lines = []
    for name in RUN_NAMES:
        value = getattr(run_settings, name)
        is_path = name in ("data_dir", "boxes") or (
            name == "weights" and value not in ("imagenet", "none")
        )
        if is_path and value:
            value = os.path.abspath(os.path.expanduser(value))
        if value is not None:
            text = str(value)
            if text != text.strip() or "\n" in text or "\r" in text:
                raise UsageError(
                    f"--{name}={text!r}: a value may not have line breaks, nor "
                    "end in white space, since flags.cfg has a line a flag"
                )
            lines.append(f"--{name}={text}\n")
    return "".join(lines)

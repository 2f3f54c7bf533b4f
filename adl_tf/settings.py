"""The settings of a run, from which its flags and its flags.cfg are made.

Nothing heavy is imported here: `--help` has to answer at once.
"""

import dataclasses
import os

from adl_tf import registry
from adl_tf.errors import UsageError
from adl_tf.flag_text import (
    as_text,
    layer_names,
    named_values,
    patch_sizes,
    threshold_pairs,
)


def usual_resize_size(input_size):
    """The side that images are warped to before a crop, as 256 for 224.

    Args:
        input_size: Side of the crop in pixels.

    Returns:
        Side in pixels.
    """
    return round(input_size * 256 / 224)


@dataclasses.dataclass(frozen=True)
class Flag:
    """How a setting is given and checked as a flag.

    Attributes:
        help: What `--help` says.
        parse: `str`, `int`, `float`, `bool` or a function from text to the
            value that raises `ValueError`.
        lowest: Smallest number allowed, or `None`.
        choices: The values allowed: names or a `Registry`; `None` for all.
        is_path: Whether it is a path, which flags.cfg holds in full.
        may_change: Whether it may be another when a run goes on: it decides
            how fast a run is and not what it does.
    """

    help: str
    parse: object = str
    lowest: float | None = None
    choices: object = None
    is_path: bool = False
    may_change: bool = False


def _setting(default, help, parse=str, **more):
    return dataclasses.field(
        default=default, metadata={"flag": Flag(help, parse, **more)}
    )


def _option(method, argument, help, parse=float, **more):
    """The setting `<method>_<argument>`, with the argument's own default."""
    default = registry.METHODS.defaults(method)[argument]
    return _setting(default, help, parse, **more)


@dataclasses.dataclass(frozen=True)
class Settings:
    """The settings of a run, each a flag of `adl_tf.train`.

    A setting `<method>_<argument>` is the argument of that name of the method.
    """

    workdir: str | None = _setting(None, "Work directory of the run.")
    dataset: str = _setting(
        "synthetic_birds",
        "The data set. synthetic_birds is drawn on first use; metadata is any "
        "folder of images with the text files that data/README describes; "
        "NAME is any prepared data set of TensorFlow Datasets that has "
        "images and labels, with config and version if it has several, such "
        "as tfds:voc/2007.",
        choices=registry.DATASETS,
    )
    data_dir: str | None = _setting(
        None,
        "Folder of the data set; with tfds:NAME, that of all data sets of "
        "TensorFlow Datasets [~/tensorflow_datasets].",
        is_path=True,
        may_change=True,
    )
    boxes: str | None = _setting(
        None,
        "With tfds:NAME: folder of the text files that data/README describes, "
        "to take boxes from where the data set has none.",
        is_path=True,
    )
    train_split: str = _setting(
        "train",
        "Split of the data set to train on; train[:90%] with tfds:NAME.",
    )
    classes: str | None = _setting(
        None, "Classes to keep and relabel, from 1: 1-25 or 3,7,9."
    )
    resize_size: int | None = _setting(
        None,
        "Side in pixels to which images are warped [8/7 of --input_size: 256 "
        "for 224].",
        int,
        lowest=1,
    )
    warp: str = _setting(
        "bilinear",
        "How images are warped in training: bilinear (the authors' code) or "
        "antialiased (wsolevaluation). In evaluation the protocol decides.",
        choices=("bilinear", "antialiased"),
    )
    input_size: int = _setting(
        224,
        "Side in pixels of the crop that is classified.",
        int,
        lowest=32,
    )

    backbone: str = _setting(
        "vgg_gap",
        "The network. NAME is any classifier of keras.applications, such as "
        "keras:DenseNet121.",
        choices=registry.BACKBONES,
    )
    method: str = _setting(
        "adl", "The training method.", choices=registry.METHODS
    )
    weights: str = _setting(
        "imagenet",
        "Where training starts: imagenet (downloaded by Keras), none (random) "
        "or a weight file: a format of Keras, .npz of Tensorpack, .pth or .pt "
        "of PyTorch.",
        is_path=True,
    )
    num_classes: int | None = _setting(
        None, "Number of classes [as the data set has].", int, lowest=1
    )
    last_stride: int | None = _setting(
        None,
        "Stride where the network halves its map for the last time: 1 or 2 [1 "
        "as in the paper, and for keras:NAME as it is].",
        int,
    )
    backbone_options: dict | None = _setting(
        None,
        "Further options of the network, name=value,name=value: map_stride=8 "
        "for maps of 28x28 in vgg_gap and ResNets, width=0.5 for a narrower "
        "mobilenet_v1, dropout_rate=0 or map_stride=16 for inception_v3, "
        "layers=spg for the vgg_gap that wsolevaluation trains by SPG.",
        named_values,
    )

    adl_positions: str | tuple | None = _option(
        "adl",
        "positions",
        "Layers after which ADL goes: names separated by commas, or one "
        "regular expression [the backbone's own positions].",
        layer_names,
    )
    adl_drop_rate: float = _option(
        "adl", "drop_rate", "Share of the steps that hide the strongest part."
    )
    adl_importance_rate: float | None = _option(
        "adl",
        "importance_rate",
        "Share of the steps that apply the importance map [all others].",
    )
    adl_gamma: float | None = _option(
        "adl",
        "gamma",
        "Threshold of the drop mask, as a share of the largest attention [the "
        "paper's for the backbone].",
    )
    adl_selection: str = _option(
        "adl",
        "selection",
        "Whether drop mask or importance map is drawn for a step or an image.",
        str,
        choices=("batch", "sample"),
    )
    has_patch_size: int | str | tuple = _option(
        "has",
        "patch_size",
        "Side in pixels of the patches that Hide-and-Seek hides; or sides "
        "separated by commas, one drawn for each image; or mixed: "
        "0,16,32,44,56.",
        patch_sizes,
    )
    has_hide_rate: float = _option(
        "has", "hide_rate", "Share of the patches that Hide-and-Seek hides."
    )
    acol_threshold: float = _option(
        "acol",
        "threshold",
        "What ACoL's first branch hides from the second: places where its map, "
        "scaled to [0, 1], reaches this.",
    )
    acol_map_stride: int | None = _option(
        "acol",
        "map_stride",
        "With vgg_gap: pixels of the image for one position of ACoL's map, 8 "
        "or 16 [8].",
        int,
    )
    spg_thresholds: tuple = _option(
        "spg",
        "thresholds",
        "Thresholds of the masks that SPG's branches B2, B1 and C learn from, "
        "high,low for each: pixels above the first are foreground, those "
        "below the second background.",
        threshold_pairs,
    )
    cutmix_beta: float = _option(
        "cutmix",
        "beta",
        "Both parameters of the Beta distribution from which CutMix draws the "
        "share of an image that is left.",
    )
    cutmix_probability: float = _option(
        "cutmix", "probability", "Share of the steps that mix images."
    )
    cutmix_area_corrected: bool = _option(
        "cutmix",
        "area_corrected",
        "Whether labels count as the area that is left, not as it was drawn.",
        bool,
    )

    epochs: int = _setting(50, "Passes over the training data.", int, lowest=0)
    batch_size: int = _setting(
        32, "Images in a step, over all replicas.", int, lowest=1
    )
    learning_rate: float = _setting(
        0.001, "Rate of pretrained layers.", float, lowest=0
    )
    head_learning_rate_ratio: float = _setting(
        10.0,
        "Rate of the new layers, and of the last stage of ResNets, as a "
        "multiple of --learning_rate.",
        float,
        lowest=0,
    )
    bias_learning_rate_ratio: float = _setting(
        1.0,
        "Rate of biases, as a multiple of that of their layer: 2 in the codes "
        "of ACoL and SPG.",
        float,
        lowest=0,
    )
    weight_decay: float = _setting(
        5e-4, "Factor of the L2 penalty.", float, lowest=0
    )
    weight_decay_on: str = _setting(
        "kernels",
        "What the L2 penalty is on: kernels alone (the authors' code), or all "
        "weights (ACoL's, SPG's and wsolevaluation's).",
        choices=("kernels", "all"),
    )
    schedule: str = _setting(
        "cosine",
        "How the rate falls: cosine to 0, step by a factor of 10 after 30, 60, "
        "90 and 100 of each 105 parts of the training (the authors'), or not "
        "(ACoL's and SPG's).",
        choices=("cosine", "step", "constant"),
    )
    seed: int = _setting(0, "Seed of everything that is random.", int)
    strategy: str = _setting(
        "auto",
        "Where training runs: auto takes every GPU, and the CPU without one, "
        "of all machines that TF_CONFIG names.",
        choices=("auto", "one_device", "mirrored", "multi_worker"),
        may_change=True,
    )
    startup_timeout: float = _setting(
        600.0,
        "How many seconds to wait for the other machines of TF_CONFIG.",
        float,
        lowest=1,
        may_change=True,
    )
    memory_budget: int = _setting(
        2048,
        "Memory for images, in MiB: decoded ones if all fit; if not, files "
        "of tfds:NAME that hold more are read one after the other, and as many "
        "images as fit are shuffled.",
        int,
        lowest=0,
    )
    deterministic: bool = _setting(
        False,
        "Whether two runs are to agree to the last bit; slower on GPUs.",
        bool,
        may_change=True,
    )
    mixed_precision: str = _setting(
        "off",
        "Number format of the layers; float16 is for GPUs.",
        choices=("off", "float16", "bfloat16"),
    )

    def __post_init__(self):
        # The number is kept with the run, whatever a later default.
        if self.resize_size is None:
            size = usual_resize_size(self.input_size)
            object.__setattr__(self, "resize_size", size)

    def as_flags(self):
        """The flags of these settings, without `--workdir`.

        Returns:
            Dictionary from names to text; paths in full, and without settings
            that are `None`.
        """
        return {
            name: _full_path(value) if flag.is_path else as_text(value)
            for name, flag in FLAGS.items()
            if (value := getattr(self, name)) is not None and name != "workdir"
        }

    def as_flagfile(self):
        """The lines of a flagfile that repeats these settings.

        Raises:
            UsageError: If a value would not come back from a line.
        """
        flags = self.as_flags()
        for name, text in flags.items():
            if text != text.strip() or "\n" in text or "\r" in text:
                raise UsageError(
                    f"--{name}={text!r}: a value may not have line breaks, nor "
                    "end in white space, since flags.cfg has a line a flag"
                )
        return "".join(f"--{name}={text}\n" for name, text in flags.items())

    def differences(self, other):
        """Settings that keep a run with other ones from going on with these.

        Args:
            other: `Settings`.

        Returns:
            List of the names of settings that differ and may not change.
        """
        mine, theirs = self.as_flags(), other.as_flags()
        return [
            name
            for name, flag in FLAGS.items()
            if not flag.may_change and mine.get(name) != theirs.get(name)
        ]


# From the names of all settings to their `Flag`.
FLAGS = {
    field.name: field.metadata["flag"] for field in dataclasses.fields(Settings)
}


def _full_path(value):
    # --weights takes these names, too.
    if value in ("", "imagenet", "none"):
        return value
    return os.path.abspath(os.path.expanduser(value))

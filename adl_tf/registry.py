"""Names of data sets, backbones, methods, heatmaps and protocols.

Each name stands for a `module:object` that is imported when it is used, so
that commands can list the names without loading what they stand for.
"""

import ast
import importlib
import importlib.util
from collections.abc import Mapping


class Registry(Mapping):
    """A mapping from names to objects that are imported on first use.

    Args:
        kind: Name of the argument that takes one of the names.
        references: Dictionary from names to `"module:object"`.
        prefix: Such as `"keras:"`, if there is more to choose from than the
            names: all that starts with it.
        of_prefix: `"module:function"` of what follows the prefix, which
            returns the object.

    Example:

    >>> list(PROTOCOLS)
    ['adl_cvpr19', 'wsoleval_cvpr20']
    >>> PROTOCOLS["adl_cvpr19"].fixed_threshold
    0.2
    """

    def __init__(self, kind, references, prefix=None, of_prefix=None):
        self.kind = kind
        self.references = references
        self.prefix = prefix
        self.of_prefix = of_prefix

    def __getitem__(self, name):
        if self.has_prefix(name):
            make = _resolved(self.of_prefix)
            return make(name.removeprefix(self.prefix))
        return _resolved(self.references[name])

    def __contains__(self, name):
        return name in self.references or self.has_prefix(name)

    def __iter__(self):
        return iter(self.references)

    def __len__(self):
        return len(self.references)

    def has_prefix(self, name):
        """Whether a name is one of those that the prefix opens.

        Args:
            name: Text.
        """
        return self.prefix is not None and name.startswith(self.prefix)

    def choices(self):
        """The names, and the prefix followed by `NAME`, as a tuple."""
        more = (f"{self.prefix}NAME",) if self.prefix else ()
        return (*self, *more)

    def find(self, name):
        """As `registry[name]`, with an error that lists the names.

        Args:
            name: Text.

        Returns:
            The object.

        Raises:
            ValueError: If there is no such name.
        """
        if name not in self:
            raise ValueError(
                f"`{self.kind}` must be one of {', '.join(self.choices())}. "
                f"Received: {self.kind}={name!r}"
            )
        return self[name]

    def defaults(self, name):
        """Default values of the arguments of the function of a name.

        They are read in its source: importing it would load Keras.

        Args:
            name: One of the names.

        Returns:
            Dictionary from arguments to values, which have to be literals.
        """
        module, _, function = self.references[name].partition(":")
        loader = importlib.util.find_spec(module).loader
        for node in ast.parse(loader.get_source(module)).body:
            if isinstance(node, ast.FunctionDef) and node.name == function:
                values = [ast.literal_eval(each) for each in node.args.defaults]
                names = [each.arg for each in node.args.args]
                return dict(zip(names[-len(values) :], values))
        raise ValueError(f"{module} does not define a function {function}")


def _resolved(reference):
    module, _, name = reference.partition(":")
    return getattr(importlib.import_module(module), name)


# Each a `Reader`.
DATASETS = Registry(
    "dataset",
    {
        "synthetic_birds": (
            "adl_tf.datasets.synthetic_birds.reader:SYNTHETIC_BIRDS"
        ),
        "cub": "adl_tf.datasets.cub:CUB",
        "ilsvrc": "adl_tf.datasets.ilsvrc:ILSVRC",
        "coco": "adl_tf.datasets.coco:COCO",
        "metadata": "adl_tf.datasets.metadata:METADATA",
    },
    "tfds:",
    "adl_tf.datasets.tfds_reader:tfds_reader",
)

# Each a function of `input_shape` and its options that returns a `Backbone`.
BACKBONES = Registry(
    "backbone",
    {
        "vgg_gap": "adl_tf.models.vgg_gap:vgg_gap",
        "mobilenet_v1": "adl_tf.models.mobilenet_v1:mobilenet_v1",
        "resnet50": "adl_tf.models.resnet50:resnet50",
        "resnet50_se": "adl_tf.models.resnet50_se:resnet50_se",
        "inception_v3": "adl_tf.models.inception_v3:inception_v3",
        "small_cnn": "adl_tf.models.small_cnn:small_cnn",
    },
    "keras:",
    "adl_tf.models.keras_applications:keras_backbone",
)

# Each a function of a classifier, its `Backbone` and the method's options that
# returns a Keras model or an `Objective`.
METHODS = Registry(
    "method",
    {
        "cam": "adl_tf.methods.cam:cam",
        "has": "adl_tf.methods.has:has",
        "acol": "adl_tf.methods.acol:acol",
        "spg": "adl_tf.methods.spg:spg",
        "adl": "adl_tf.methods.adl:adl",
        "cutmix": "adl_tf.methods.cutmix:cutmix",
    },
)

# Each a class of `Heatmap`.
HEATMAPS = Registry(
    "heatmap",
    {
        "cam": "adl_tf.heatmaps.cam:CAM",
        "grad_cam": "adl_tf.heatmaps.grad_cam:GradCAM",
        "grad_cam_pp": "adl_tf.heatmaps.grad_cam_pp:GradCAMpp",
        "smooth_grad_cam_pp": (
            "adl_tf.heatmaps.smooth_grad_cam_pp:SmoothGradCAMpp"
        ),
        "xgrad_cam": "adl_tf.heatmaps.xgrad_cam:XGradCAM",
        "hires_cam": "adl_tf.heatmaps.hires_cam:HiResCAM",
        "layer_cam": "adl_tf.heatmaps.layer_cam:LayerCAM",
        "eigen_cam": "adl_tf.heatmaps.eigen_cam:EigenCAM",
        "score_cam": "adl_tf.heatmaps.score_cam:ScoreCAM",
        "ablation_cam": "adl_tf.heatmaps.ablation_cam:AblationCAM",
        "finer_cam": "adl_tf.heatmaps.finer_cam:FinerCAM",
        "attention_rollout": (
            "adl_tf.heatmaps.attention_rollout:AttentionRollout"
        ),
    },
)

# Each a `Protocol`.
PROTOCOLS = Registry(
    "protocol",
    {
        "adl_cvpr19": "adl_tf.localization.protocols:ADL_CVPR19",
        "wsoleval_cvpr20": "adl_tf.localization.protocols:WSOLEVAL_CVPR20",
    },
)

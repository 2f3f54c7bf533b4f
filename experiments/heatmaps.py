"""Which heatmap finds the object: all of them on ImageNet's MobileNetV1.

    python -m experiments.heatmaps --data_dir=ILSVRC --split=val

Nothing is trained. Each cell is a network (the stock strides, a last stride of
1, and that with the next depthwise convolution dilated) with a heatmap: it is
scored on all images of the split, its faithfulness measured on some, and its
time on a batch. Cells go to heatmaps_mobilenet_v1.json as they are done, and
are not done again; the table of what is there is heatmaps_mobilenet_v1.md.
"""

from absl import flags as absl_flags

from adl_tf import command, flags
from adl_tf.errors import UsageError
from experiments.records import RESULTS

# Options of `mobilenet_v1`.
NETWORKS = {
    "stride 2": {"last_stride": 2},
    "stride 1": {"last_stride": 1},
    "dilated": {"last_stride": 1, "dilated": True},
}
_FLIP = {"flip": True}
_LAYERS = ("conv_pw_11_relu", "conv_pw_12_relu", "conv_pw_13_relu")
# Names of rows: heatmap and options. The slowest come last.
HEATMAPS = {
    "CAM": ("cam", {}),
    "Grad-CAM": ("grad_cam", {}),
    "Grad-CAM++": ("grad_cam_pp", {}),
    "XGrad-CAM": ("xgrad_cam", {}),
    "LayerCAM": ("layer_cam", {}),
    "Eigen-CAM": ("eigen_cam", {}),
    "HiResCAM": ("hires_cam", {}),
    "Finer-CAM": ("finer_cam", {}),
    "CAM and flip": ("cam", _FLIP),
    "Grad-CAM++ and flip": ("grad_cam_pp", _FLIP),
    "LayerCAM of 3 layers": ("layer_cam", {"layer": _LAYERS}),
    "CAM of 224 and 320 pixels": ("cam", {"scales": (1.0, 320 / 224)}),
    "Smooth Grad-CAM++": ("smooth_grad_cam_pp", {"noise": 0.1}),
    "Ablation-CAM": ("ablation_cam", {}),
    "Score-CAM": ("score_cam", {"background": "mean"}),
}

absl_flags.DEFINE_list(
    "heatmaps", None, f"Rows to do: {'; '.join(HEATMAPS)} [all]."
)
absl_flags.DEFINE_list("networks", list(NETWORKS), "Networks to do.")
absl_flags.DEFINE_string("split", "val", "Split of the data set to score.")
absl_flags.DEFINE_integer(
    "faithfulness_images",
    100,
    "Number of images, spread over the split, that faithfulness is measured "
    "on: 43 forward passes each.",
    1,
)
absl_flags.DEFINE_string("results_dir", RESULTS, "Folder to write to.")


def main(values):
    names = values.heatmaps or list(HEATMAPS)
    for flag, given, known in (
        ("heatmaps", names, HEATMAPS),
        ("networks", values.networks, NETWORKS),
    ):
        for name in given:
            if name not in known:
                raise UsageError(
                    f"--{flag}: '{name}' is none of {'; '.join(known)}"
                )
    settings = flags.settings(values)
    command.load_reader("ilsvrc")
    from adl_tf.datasets.load import load_examples

    examples = load_examples("ilsvrc", settings.data_dir, values.split)
    command.load_tensorflow()
    from experiments.heatmap_cells import Cells

    cells = Cells(values.results_dir, examples, settings.weights)
    for network in values.networks:
        for name in names:
            cells.do(
                (network, NETWORKS[network]),
                (name, *HEATMAPS[name]),
                settings.batch_size,
                values.faithfulness_images,
            )
            print(f"{network}, {name}: {cells.summary(network, name)}")
    print(cells.write_page(NETWORKS, HEATMAPS))


if __name__ == "__main__":
    command.run(
        main,
        "experiments.heatmaps",
        (
            "data_dir",
            "split",
            "weights",
            "networks",
            "heatmaps",
            "faithfulness_images",
            "batch_size",
            "results_dir",
        ),
    )

"""ImageNet's MobileNetV1 as it comes, on real photographs."""

import pytest

from adl_tf.datasets.load import load_examples
from adl_tf.evaluation.network import evaluate, keras_network
from adl_tf.evaluation.scoring import Scoring
from adl_tf.localization.protocols import PROTOCOLS, varied
from adl_tf.training.loop import train
from adl_tf.workdir.trained import load_trained


@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.parametrize(
    ("last_stride", "top1_clas", "gt_known_loc"),
    # What an independent prototype got on these 1,300 images.
    [(2, 79.4, 58.8), (1, 76.8, 66.4)],
)
def test_pretrained_mobilenet(
    settings, test_data, test_weights, last_stride, top1_clas, gt_known_loc
):
    run = settings(
        dataset="ilsvrc",
        data_dir=str(test_data / "ILSVRC"),
        num_classes=1000,
        backbone="mobilenet_v1",
        last_stride=last_stride,
        method="cam",
        weights=str(test_weights / "mobilenet_1_0_224_tf.h5"),
        epochs=0,
        input_size=224,
        resize_size=256,
        batch_size=50,
    )
    train(run)
    examples = load_examples("ilsvrc", run.data_dir, "val")
    # The prototype's images were not antialiased.
    protocol = varied(PROTOCOLS["wsoleval_cvpr20"], "warp=bilinear")
    scoring = Scoring(examples, protocol, run.input_size, run.resize_size)
    network = keras_network(load_trained(run))
    metrics, _ = scoring.result(evaluate(network, scoring, run.batch_size))
    assert metrics["top1_clas"] == pytest.approx(top1_clas, abs=1)
    assert metrics["best_tau"]["gt_known_loc"] == pytest.approx(
        gt_known_loc, abs=1
    )

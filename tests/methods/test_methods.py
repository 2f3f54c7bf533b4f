"""Every method: trained, evaluated and exported by the common code alone."""

import keras
import numpy as np
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("training needs TensorFlow", allow_module_level=True)
import tensorflow as tf

from adl_tf.datasets.load import load_examples
from adl_tf.errors import UsageError
from adl_tf.evaluation.network import evaluate, exported_network, keras_network
from adl_tf.evaluation.scoring import Scoring
from adl_tf.exported.writing import export
from adl_tf.registry import METHODS, PROTOCOLS
from adl_tf.training.loop import train
from adl_tf.workdir.trained import class_names, load_trained
from tests.runs import losses_of

# `trained` and `undisturbed` are runs with ADL, and CAM is ADL without it.
OTHERS = [name for name in METHODS if name not in ("adl", "cam")]


@pytest.fixture(scope="module", params=OTHERS)
def whole(request, shared_settings):
    """A run of two epochs that nothing disturbed."""
    return train(shared_settings(method=request.param))


@pytest.mark.slow
def test_the_whole_way(whole, data_dir, tmp_path):
    assert len(losses_of(whole)) == 2 and np.isfinite(losses_of(whole)).all()
    examples = load_examples("metadata", str(data_dir), "test")
    folder = str(tmp_path / "saved")
    export(load_trained(whole), folder, class_names(whole), whole, 0.5)

    def scores(network):
        scoring = Scoring(
            examples,
            PROTOCOLS["adl_cvpr19"],
            whole.input_size,
            whole.resize_size,
        )
        return scoring.result(evaluate(network, scoring, 4))[0]

    trained, exported = (
        scores(network)
        for network in (
            keras_network(load_trained(whole)),
            exported_network(folder),
        )
    )
    assert trained["num_images"] == 9
    assert trained["top1_clas"] == exported["top1_clas"]


@pytest.mark.slow
def test_goes_on_as_if_never_stopped(whole, settings, train_until):
    """Random states and the weights that training alone has, too."""
    broken = settings(method=whole.method)
    train_until(broken, 3)
    train(broken)
    np.testing.assert_allclose(losses_of(broken), losses_of(whole), rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("method", OTHERS)
def test_two_replicas_in_half_precision(settings, method):
    run = settings(
        method=method,
        strategy="mirrored",
        mixed_precision="bfloat16",
        epochs=1,
    )
    try:
        train(run)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    assert np.isfinite(losses_of(run)).all()


@pytest.mark.parametrize(
    ("method", "flag", "value", "message"),
    [
        ("has", "has_patch_size", -3, "patch_size=-3"),
        ("has", "has_hide_rate", 2.0, "hide_rate=2.0"),
        ("acol", "acol_threshold", 1.5, "threshold=1.5"),
        ("spg", "spg_thresholds", ((0.7, 0.05),), "three pairs"),
        ("cutmix", "cutmix_beta", -1.0, "beta=-1.0"),
    ],
)
def test_values_that_are_not_possible(settings, method, flag, value, message):
    run = settings(method=method, epochs=1, **{flag: value})
    with pytest.raises(UsageError, match=message):
        train(run)


def test_nothing_of_training_is_exported(settings, tmp_path):
    run = settings(method="has", epochs=0, num_classes=2)
    train(run)
    model = load_trained(run)
    assert "hide_and_seek" in [layer.name for layer in model.layers]
    folder = str(tmp_path / "saved")
    export(model, folder, ["a", "b"], run, 0.5)
    graph = tf.saved_model.load(folder).signatures["images"].graph
    names = [operation.name for operation in graph.get_operations()]
    assert not [name for name in names if "random" in name.lower()]

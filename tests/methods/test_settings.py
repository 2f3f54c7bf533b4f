"""From settings to a method's arguments."""

import inspect

import keras
import pytest

from adl_tf.methods.settings import assemble_from_settings
from adl_tf.registry import METHODS
from adl_tf.settings import FLAGS, Settings

OPTIONS = [
    pytest.param(method, argument, id=f"{method}_{argument.name}")
    for method in METHODS
    for argument in inspect.signature(METHODS[method]).parameters.values()
    if argument.name not in ("model", "backbone", "seed")
]


@pytest.mark.parametrize(("method", "argument"), OPTIONS)
def test_every_option_has_a_flag_with_its_default(method, argument):
    name = f"{method}_{argument.name}"
    assert getattr(Settings(), name) == argument.default
    if argument.default is None:
        assert "[" in FLAGS[name].help  # what holds instead


def test_every_flag_of_a_method_is_an_option():
    named = {name for name in FLAGS if name.partition("_")[0] in METHODS}
    assert named == {option.id for option in OPTIONS}


def test_options_reach_the_method(settings):
    run = settings(
        method="adl", num_classes=2, adl_gamma=0.7, adl_drop_rate=0.25, seed=5
    )
    layer = _adl_layer(run)
    assert (layer.gamma, layer.drop_rate, layer.seed) == (0.7, 0.25, 5)
    usual = _adl_layer(settings(method="adl", num_classes=2))
    assert (usual.gamma, usual.drop_rate, usual.seed) == (0.8, 0.75, 0)


def _adl_layer(run):
    objective, _, _ = assemble_from_settings(run, None)
    return objective.model.get_layer("conv4_relu_adl")


def test_number_format_of_the_layers(settings):
    try:
        run = settings(num_classes=2, mixed_precision="bfloat16")
        assemble_from_settings(run, None)
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.mixed_precision.set_global_policy("float32")

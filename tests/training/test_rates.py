"""Steps of every backbone against the published rule, in NumPy.

Rule: PyTorch's `SGD(momentum=0.9, nesterov=True)` with a group of parameters
for each rate, whose gradients hold the L2 penalty's; rates as the authors' code
(T), wsolevaluation (W), ACoL (A) and SPG (S) have them, written out here.
"""

import dataclasses
import re

import numpy as np
import pytest
import tensorflow as tf

from adl_tf.methods.build import assemble
from adl_tf.training.rates import rate_ratios
from adl_tf.training.strategy import make_strategy
from adl_tf.training.trainer import Trainer

STEPS, FALLS = 30, (12, 24)  # of 42 steps in all: 30 and 60 of 105 parts
SIDE = 64
RATE, DECAY = 0.02, 0.03
# Which variables learn 10 times as fast, by their paths.
_FAST = {
    "vgg_gap": r"^(conv6|logits)/",  # T, W
    "resnet50": r"^(conv5_\w+|logits)/",  # T: group3, W: layer4
    "resnet50_se": r"^(conv5_\w+|logits)/",
    # W: all but `Mixed` and `Conv2d`.
    "inception_v3": r"^(SPG_A3_1b|SPG_A3_2b|class_maps)/",
    "mobilenet_v1": r"^logits/",
    "small_cnn": r"^logits/",
    "keras:MobileNetV2": r"^logits/",
}
_FAST_TO_BUILD = ("vgg_gap", "small_cnn")


def make_trainer(run):
    run = dataclasses.replace(run, num_classes=3)
    strategy = make_strategy("one_device")
    with strategy.scope():
        return Trainer(run, 42, strategy)


def with_known_gradients(trainer):
    """Gives a trainer a loss of which each variable's gradient is known.

    It is the variable's number in what is returned, times a factor: the first
    value of the images, minus 1.
    """
    variables = trainer.model.trainable_variables
    gradients = np.random.default_rng(0).normal(size=len(variables))
    gradients = gradients.astype(np.float32)

    def losses(model, images, labels):
        total = sum(
            tf.reduce_sum(variable.value) * gradient
            for variable, gradient in zip(variables, gradients)
        )
        factors = images[:, 0, 0, 0] - 1.0
        return factors * total, tf.one_hot(labels, 3)

    trainer.objective = dataclasses.replace(trainer.objective, losses=losses)
    return gradients


class PublishedSGD:
    """One parameter in PyTorch's optimizer, with its group's rate."""

    def __init__(self, value, ratio, decay):
        self.value = value.astype(np.float64)
        self.sum = np.zeros_like(self.value)
        self.ratio, self.decay = ratio, decay

    def step(self, gradient, rate):
        gradient = gradient + self.decay * self.value
        self.sum = 0.9 * self.sum + gradient
        self.value -= self.ratio * rate * (gradient + 0.9 * self.sum)


def assert_steps_are_published(trainer, ratio_of, decays):
    """Takes 30 steps, and compares some values of every variable.

    Args:
        trainer: `Trainer`.
        ratio_of: Function from the path of a variable to its ratio.
        decays: Function from it to whether the penalty is on it.
    """
    gradients = with_known_gradients(trainer)
    variables = trainer.model.trainable_variables
    random = np.random.default_rng(1)
    places = [
        random.integers(0, np.prod(v.shape, dtype=int), 50) for v in variables
    ]

    def some(arrays):
        return [
            np.asarray(array).ravel()[index]
            for array, index in zip(arrays, places)
        ]

    rules = [
        PublishedSGD(value, ratio_of(v.path), DECAY * decays(v.path))
        for value, v in zip(some(v.numpy() for v in variables), variables)
    ]
    factors = random.integers(0, 3, STEPS)
    for step, factor in enumerate(factors):
        images = tf.fill((8, SIDE, SIDE, 3), tf.cast(factor, tf.uint8))
        trainer.step((images, tf.zeros(8, tf.int32)))
        rate = RATE * 0.1 ** sum(step >= fall for fall in FALLS)
        for rule, gradient in zip(rules, gradients):
            rule.step((factor - 1.0) * gradient, rate)
        if step in (0, STEPS - 1):
            values = some(v.numpy() for v in variables)
            for variable, value, rule in zip(variables, values, rules):
                np.testing.assert_allclose(
                    value,
                    rule.value,
                    rtol=2e-5,
                    atol=2e-5,
                    err_msg=f"{variable.path}, step {step}",
                )


def recipe(settings, **changes):
    return settings(
        input_size=SIDE,
        epochs=1,
        learning_rate=RATE,
        weight_decay=DECAY,
        schedule="step",
        **{"head_learning_rate_ratio": 10.0, "method": "cam", **changes},
    )


@pytest.mark.parametrize(
    "backbone",
    [
        pytest.param(
            name, marks=[pytest.mark.slow] * (name not in _FAST_TO_BUILD)
        )
        for name in _FAST
    ],
)
def test_every_backbone(settings, backbone):
    trainer = make_trainer(recipe(settings, backbone=backbone))
    fast = re.compile(_FAST[backbone])
    paths = [v.path for v in trainer.model.trainable_variables]
    assert 2 <= sum(bool(fast.search(path)) for path in paths) < len(paths)
    assert_steps_are_published(
        trainer,
        lambda path: 10.0 if fast.search(path) else 1.0,
        lambda path: path.endswith("kernel"),
    )


@pytest.mark.slow
def test_recipe_of_acol(settings):
    """A: heads at 10, biases twice that of weights, the penalty on all."""
    run = recipe(
        settings,
        backbone="vgg_gap",
        method="acol",
        bias_learning_rate_ratio=2.0,
        weight_decay_on="all",
    )

    def ratio_of(path):
        head = 10.0 if path.startswith(("acol_a_", "acol_b_")) else 1.0
        return head * (2.0 if path.endswith("bias") else 1.0)

    trainer = make_trainer(run)
    ratios = {ratio_of(v.path) for v in trainer.model.trainable_variables}
    assert ratios == {1.0, 2.0, 10.0, 20.0}
    assert_steps_are_published(trainer, ratio_of, lambda path: True)


@pytest.mark.slow
def test_recipe_of_spg(settings):
    """S: nothing at 10, biases twice, those of normalisation too."""
    run = recipe(
        settings,
        backbone="inception_v3",
        method="spg",
        head_learning_rate_ratio=1.0,
        bias_learning_rate_ratio=2.0,
        weight_decay_on="all",
    )
    assert_steps_are_published(
        make_trainer(run),
        lambda path: 2.0 if path.endswith(("bias", "beta")) else 1.0,
        lambda path: True,
    )


def ratios_of(backbone, method, options=None):
    """Ratio of each layer, by its name."""
    objective, built, _ = assemble(
        backbone, method, 3, None, (SIDE, SIDE, 3), options
    )
    model = objective.training_model
    ratios = rate_ratios(model, built, objective, 10.0)
    return {
        variable.path.split("/")[0]: ratio
        for variable, ratio in zip(model.trainable_variables, ratios)
    }


@pytest.mark.slow
@pytest.mark.parametrize("method", ["acol", "spg"])
def test_what_a_method_adds_to_a_resnet(method):
    """W: the last stage and `fc` at 10, all else at 1."""
    ratios = ratios_of("resnet50", method)
    added = {n: r for n, r in ratios.items() if n.startswith(("acol", "spg"))}
    assert added and set(added.values()) == {1.0}
    for name, ratio in ratios.items():
        if name not in added:
            fast = name.startswith(("conv5_", "logits"))
            assert ratio == (10.0 if fast else 1.0), name


def test_spg_on_vgg():
    """W: blocks 4 and 5 are called `SPG_A_1` and `SPG_A_2` there: at 10."""
    ratios = ratios_of("vgg_gap", "spg", {"layers": "spg"})
    for name, ratio in ratios.items():
        slow = name.startswith(("block1", "block2", "block3"))
        assert ratio == (1.0 if slow else 10.0), name

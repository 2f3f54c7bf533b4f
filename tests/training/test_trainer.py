"""What a step changes: rates, penalty, and which variant is trained."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from adl_tf.training.loop import train
from adl_tf.training.strategy import make_strategy
from adl_tf.training.trainer import Trainer
from adl_tf.workdir.trained import load_trained


def make_trainer(run):
    run = dataclasses.replace(run, num_classes=2)
    strategy = make_strategy("one_device")
    with strategy.scope():
        return Trainer(run, 3, strategy)


def test_rate_of_the_head(settings):
    trainer = make_trainer(settings(head_learning_rate_ratio=0.0))
    before = {v.path: v.numpy() for v in trainer.model.trainable_variables}
    trainer.step((tf.zeros((8, 32, 32, 3), tf.uint8), tf.zeros(8, tf.int32)))
    changed = {
        v.path
        for v in trainer.model.trainable_variables
        if not np.array_equal(before[v.path], v)
    }
    assert any("conv1/" in path for path in changed)
    assert not any("logits" in path for path in changed)


def test_penalty_on_kernels_alone(settings):
    trainer = make_trainer(settings(weight_decay=0.3))
    kernels = [
        variable.numpy().astype(np.float64)
        for variable in trainer.model.trainable_variables
        if variable.path.endswith("kernel")
    ]
    assert len(kernels) == 5
    expected = 0.5 * 0.3 * sum((kernel**2).sum() for kernel in kernels)
    assert float(trainer._penalty()) == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
def test_checkpoint_knows_its_variant(settings, tmp_path):
    """Weights of PyTorch keep their network when their file is gone."""
    torch = pytest.importorskip("torch")
    from tests.models import torch_resnet

    network = torch_resnet.ResNet50(2, squeeze_excite=True)
    path = tmp_path / "network.pth"
    torch.save(network.state_dict(), path)
    run = settings(
        backbone="resnet50_se", weights=str(path), epochs=0, num_classes=2
    )
    train(run)
    path.unlink()
    kernel = network.conv1.weight.detach().numpy().transpose(2, 3, 1, 0)
    for model in (load_trained(run), make_trainer(run).model):
        assert model.get_layer("preprocess_pytorch")
        np.testing.assert_array_equal(
            model.get_layer("conv1_conv").get_weights()[0], kernel
        )

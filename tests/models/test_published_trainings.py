"""Weight files of published trainings, written by networks of the tests."""

import keras
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from adl_tf.errors import DataError  # noqa: E402
from adl_tf.models.classifier import build_classifier  # noqa: E402
from tests.models import torch_inception, torch_resnet, torch_vgg  # noqa: E402
from tests.models.networks import noise_images  # noqa: E402
from tests.models.torch_resnet import (  # noqa: E402
    tensorpack_names,
    with_random_weights,
)

CLASSES = 5
SIZE = 32
SHAPE = (SIZE, SIZE, 3)


def built(backbone, path, num_classes=CLASSES, **options):
    return build_classifier(backbone, num_classes, path, SHAPE, **options)


def assert_same_logits(model, network, bgr=False):
    expected = torch_resnet.logits(network, noise_images(SIZE), bgr)
    assert np.abs(expected[0] - expected[1]).max() > 1e-3
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(model(noise_images(SIZE), training=False)),
        expected,
        rtol=1e-3,
        atol=1e-4 * np.abs(expected).max(),
    )


@pytest.fixture(scope="module")
def inception():
    network = torch_inception.InceptionV3(CLASSES, True)
    with_random_weights(network)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            # What the image says would vanish after so many layers.
            module.weight.data.mul_(1.8)
            module.bias.data.zero_()
    return network


@pytest.fixture(scope="module")
def resnet():
    return with_random_weights(torch_resnet.ResNet50(CLASSES)).state_dict()


@pytest.mark.slow
def test_inception_of_spg(tmp_path, inception):
    """Average pools count zeros, or the logits would be others."""
    path = tmp_path / "a.pth"
    torch.save({"state_dict": inception.state_dict()}, path)
    model, _, new_layers = built("inception_v3", path)
    assert new_layers == ()
    assert_same_logits(model, inception)


@pytest.mark.slow
def test_inception_of_torchvision(tmp_path, inception):
    entries = {
        name: tensor
        for name, tensor in inception.state_dict().items()
        if "SPG" not in name
    }
    for name in ("AuxLogits.conv0.conv", "Mixed_7a.branch3x3_1.conv", "fc"):
        entries[f"{name}.weight"] = torch.zeros(3, 3)
    torch.save(entries, tmp_path / "a.pth")
    model, _, new_layers = built("inception_v3", tmp_path / "a.pth")
    assert new_layers == ("SPG_A3_1b", "SPG_A3_2b", "class_maps")
    np.testing.assert_array_equal(
        model.get_layer("Mixed_6e_branch7x7_3").get_weights()[0],
        entries["Mixed_6e.branch7x7_3.conv.weight"].permute(2, 3, 1, 0),
    )


def with_adl(name):
    """wsolevaluation has ADL after layer3.0, layer4.0 and layer4.2."""
    for stage in ("layer3", "layer4"):
        for block in (1, 2, 3, 4, 5):
            if name.startswith(f"{stage}.{block}."):
                rest = name.removeprefix(f"{stage}.{block}.")
                return f"{stage}.{block + 1}.{rest}"
    return name


def with_spg(name):
    if name.startswith("layer3.0."):
        return name.replace("layer3.0.", "SPG_A1.0.")
    for block in (1, 2, 3, 4, 5):
        name = name.replace(f"layer3.{block}.", f"SPG_A2.{block - 1}.")
    return name.replace("fc.", "SPG_A4.")


@pytest.mark.slow
@pytest.mark.parametrize("rename", [with_adl, with_spg])
def test_resnet_of_wsolevaluation(tmp_path, resnet, rename):
    entries = {rename(name): tensor for name, tensor in resnet.items()}
    assert set(entries) != set(resnet)
    if rename is with_spg:
        entries["SPG_A4.weight"] = entries["SPG_A4.weight"][..., None, None]
        entries["SPG_B_1a.0.weight"] = torch.zeros(3)
        entries["SPG_C.2.bias"] = torch.zeros(1)
    torch.save(resnet, tmp_path / "plain.pth")
    torch.save(entries, tmp_path / "training.pth")
    plain, training = (
        built("resnet50", tmp_path / f"{name}.pth")[0]
        for name in ("plain", "training")
    )
    for expected, found in zip(plain.weights, training.weights, strict=True):
        np.testing.assert_array_equal(found, expected)
    assert np.abs(training.get_layer("logits").kernel).max() > 0


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["pytorch", "tensorpack"])
def test_large_maps_of_resnet(tmp_path, variant):
    """28x28 for 224x224: neither of the last two stages is strided."""
    same = variant == "tensorpack"
    network = torch_resnet.ResNet50(CLASSES, same=same, third_stride=1)
    entries = with_random_weights(network).state_dict()
    if same:
        path = tmp_path / "a.npz"
        np.savez(path, **tensorpack_names(entries))
    else:
        path = tmp_path / "a.pth"
        torch.save(entries, path)
    model, _, _ = built("resnet50", path, map_stride=8)
    assert model.get_layer("gap").input.shape == (None, 4, 4, 2048)
    assert_same_logits(model, network, bgr=same)


@pytest.mark.parametrize("configuration", list(torch_vgg.CONFIGURATIONS))
def test_vgg_of_wsolevaluation(tmp_path, configuration):
    network = with_random_weights(torch_vgg.VggGap(configuration, CLASSES))
    torch.save(network.state_dict(), tmp_path / "a.pth")
    stride = 8 if "28x28" in configuration else 16
    model, _, new_layers = built(
        "vgg_gap", tmp_path / "a.pth", map_stride=stride
    )
    assert new_layers == ()
    assert_same_logits(model, network)


def test_vgg_of_spg(tmp_path):
    network = with_random_weights(torch_vgg.VggSpg(CLASSES))
    torch.save(network.state_dict(), tmp_path / "a.pth")
    model, _, new_layers = built("vgg_gap", tmp_path / "a.pth", layers="spg")
    assert new_layers == ()
    assert_same_logits(model, network)
    with pytest.raises(DataError, match="has no use here for SPG_A3_1b.weight"):
        built("vgg_gap", tmp_path / "a.pth")


def test_vgg_of_torchvision(tmp_path):
    network = with_random_weights(torch_vgg.VggGap("cam", CLASSES))
    entries = {
        name: tensor
        for name, tensor in network.state_dict().items()
        if name.startswith("features.")
    }
    entries["classifier.0.weight"] = torch.zeros(3, 3)
    torch.save(entries, tmp_path / "a.pth")
    model, _, new_layers = built("vgg_gap", tmp_path / "a.pth")
    assert new_layers == ("conv6", "logits")
    assert "preprocess_pytorch" in [layer.name for layer in model.layers]
    np.testing.assert_array_equal(
        model.get_layer("block5_conv3").get_weights()[0],
        entries["features.28.weight"].permute(2, 3, 1, 0),
    )


@pytest.mark.slow
def test_resnet_of_the_authors(tmp_path):
    """Their classifier is `linearnew`; as a dump and as a checkpoint."""
    import tensorflow as tf

    network = torch_resnet.ResNet50(CLASSES, squeeze_excite=True, same=True)
    entries = {
        name.replace("linear/", "linearnew/"): array
        for name, array in tensorpack_names(
            with_random_weights(network).state_dict()
        ).items()
    }
    np.savez(tmp_path / "dump.npz", **entries)
    variables = {name: tf.Variable(array) for name, array in entries.items()}
    variables["conv0/W/Momentum"] = tf.Variable(0.0)
    tf.raw_ops.SaveV2(
        prefix=str(tmp_path / "model-5"),
        tensor_names=list(variables),
        shape_and_slices=[""] * len(variables),
        tensors=list(variables.values()),
    )
    for name in ("dump.npz", "model-5.index"):
        model, _, new_layers = built("resnet50_se", tmp_path / name)
        assert new_layers == ()
        assert_same_logits(model, network, bgr=True)


def test_damaged_checkpoint(tmp_path):
    (tmp_path / "model.index").write_bytes(b"no index")
    with pytest.raises(DataError, match="not the index of a whole TensorFlow"):
        built("resnet50_se", tmp_path / "model.index")


def test_vgg_of_the_authors(tmp_path):
    """Images are standardized, where those of Caffe's VGG16 are not."""
    network = with_random_weights(torch_vgg.VggGap("cam", CLASSES))
    names = iter(
        f"conv{block}_{number}"
        for block, count in enumerate((2, 2, 3, 3, 3), 1)
        for number in range(1, count + 1)
    )
    modules = {next(names): m for m in network.features if hasattr(m, "weight")}
    modules |= {"new": network.conv6, "linear": network.fc}
    entries = {}
    for name, module in modules.items():
        kernel = module.weight.detach().numpy()
        axes = (2, 3, 1, 0) if kernel.ndim == 4 else (1, 0)
        entries[f"{name}/W"] = kernel.transpose(axes)
        entries[f"{name}/b"] = module.bias.detach().numpy()
    np.savez(tmp_path / "a.npz", **entries)
    model, _, new_layers = built("vgg_gap", tmp_path / "a.npz")
    assert new_layers == ()
    assert_same_logits(model, network, bgr=True)


@pytest.mark.parametrize("suffix", ["pth", "npz"])
def test_networks_of_keras_take_files_of_keras(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(b"")
    with pytest.raises(DataError, match="backbone 'keras:ResNet50' takes no"):
        built("keras:ResNet50", path)


def test_sparse_tensors(tmp_path):
    torch.save({"conv1.weight": torch.eye(3).to_sparse()}, tmp_path / "a.pth")
    with pytest.raises(DataError, match="sparse, quantized or empty"):
        built("resnet50", tmp_path / "a.pth")

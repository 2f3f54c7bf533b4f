"""Weights of Tensorpack and PyTorch: same logits, and nothing left over."""

import pickle
import re

import h5py
import numpy as np
import pytest

from adl_tf.errors import DataError
from adl_tf.methods.build import build_model
from adl_tf.models.classifier import build_classifier
from adl_tf.models.weights_pytorch import read_pytorch
from adl_tf.models.weights_tensorpack import read_tensorpack

torch = pytest.importorskip("torch")
from tests.models import torch_resnet  # noqa: E402
from tests.models.networks import noise_images  # noqa: E402
from tests.models.torch_resnet import tensorpack_names  # noqa: E402

CLASSES = 7
SHAPE = (64, 64, 3)


@pytest.fixture(scope="module", params=["resnet50", "resnet50_se"])
def networks(request):
    """Name of the backbone, and PyTorch's network padded in both ways."""
    backbone = request.param
    plain, same = (
        torch_resnet.with_random_weights(
            torch_resnet.ResNet50(
                CLASSES,
                squeeze_excite=backbone == "resnet50_se",
                same=same,
            )
        )
        for same in (False, True)
    )
    same.load_state_dict(plain.state_dict())
    return backbone, plain, same


@pytest.fixture(scope="module")
def models():
    """Models to be filled, which the readers leave as they are."""
    return {
        name: build_classifier(name, CLASSES, None, (32, 32, 3))[0]
        for name in ("resnet50_se", "vgg_gap", "small_cnn")
    }


def assert_same_logits(model, expected, tolerance):
    logits = np.array(model(noise_images(64), training=False))
    # The images and classes have to differ for this to say anything.
    assert np.ptp(expected) > 0.1
    assert np.abs(expected[0] - expected[1]).max() > 0.01
    np.testing.assert_allclose(logits, expected, atol=tolerance)


@pytest.mark.slow
def test_pytorch_network_agrees(tmp_path, networks):
    backbone, network, _ = networks
    path = tmp_path / "network.pth"
    torch.save(network.state_dict(), path)
    model, _, new_layers = build_classifier(backbone, CLASSES, path, SHAPE)
    assert new_layers == ()
    expected = torch_resnet.logits(network, noise_images(64))
    assert_same_logits(model, expected, 1e-4)


@pytest.mark.slow
def test_tensorpack_network_agrees(tmp_path, networks):
    backbone, _, network = networks
    path = tmp_path / "network.npz"
    np.savez(path, **tensorpack_names(network.state_dict()))
    model, _, new_layers = build_classifier(backbone, CLASSES, path, SHAPE)
    assert new_layers == ()
    expected = torch_resnet.logits(network, noise_images(64), bgr=True)
    assert_same_logits(model, expected, 1e-4)
    # Variants differ, or this and the test above would not show a thing.
    others = torch_resnet.logits(network, noise_images(64))
    assert np.abs(others - expected).max() > 1e-2


@pytest.mark.slow
def test_files_of_ours_keep_the_variant(tmp_path, networks):
    """Both variants have weights of the same shapes, but are other networks.

    ADL in one of two branches changes their order in the model: the weights
    have to find their layers all the same.
    """
    backbone, network, _ = networks
    if backbone == "resnet50":
        pytest.skip("the same code")
    foreign = tmp_path / "network.pt"
    torch.save(network.state_dict(), foreign)
    positions = ["conv4_block1_3_bn", "conv5_block1_0_bn"]
    source = build_model(
        backbone, "adl", CLASSES, foreign, (32, 32, 3), positions=positions
    )
    expected = torch_resnet.logits(network, noise_images(64))
    for name in ("model.weights.h5", "model.keras", "model.h5"):
        path = tmp_path / name
        save = source.save_weights if ".weights" in name else source.save
        save(path)
        model, _, _ = build_classifier(backbone, CLASSES, path, SHAPE)
        assert [layer.name for layer in model.layers if layer.weights] != [
            layer.name for layer in source.layers if layer.weights
        ]
        assert_same_logits(model, expected, 1e-4)


def test_nameless_checkpoint_asks_for_the_variant(tmp_path):
    path = tmp_path / "model.weights.h5"
    with h5py.File(path, "w") as file:
        file.create_group("layers/conv2d/vars")
    with pytest.raises(DataError, match="`variant`"):
        build_classifier("resnet50_se", CLASSES, path, SHAPE)


def test_contradicting_variant(tmp_path):
    (tmp_path / "a.pth").write_bytes(b"")
    with pytest.raises(ValueError, match="must be 'pytorch'.*a.pth"):
        build_classifier(
            "resnet50_se",
            CLASSES,
            tmp_path / "a.pth",
            SHAPE,
            variant="tensorpack",
        )


def vgg_entries(model):
    """`vgg16.npz` as Caffe's converter writes it, with our weights."""
    generator = np.random.default_rng(0)
    entries = {}
    for layer in model.layers:
        match = re.fullmatch(r"block(\d)_conv(\d)", layer.name)
        if match:
            kernel, bias = layer.get_weights()
            name = f"conv{match[1]}_{match[2]}"
            entries[f"{name}/W"] = kernel
            entries[f"{name}/b"] = generator.normal(0, 0.1, bias.shape)
    for name, inputs in (("fc6", 8), ("fc7", 8), ("fc8", 8)):
        entries[f"{name}/W"] = np.zeros((inputs, 1000), "float32")
        entries[f"{name}/b"] = np.zeros(1000, "float32")
    return entries


def test_vgg_of_tensorpack(tmp_path, models):
    entries = vgg_entries(models["vgg_gap"])
    path = tmp_path / "vgg16.npz"
    np.savez(path, **entries)
    model, _, new_layers = build_classifier("vgg_gap", 5, path, (32, 32, 3))
    assert new_layers == ("conv6", "logits")
    for layer in model.layers:
        if match := re.fullmatch(r"block(\d)_conv(\d)", layer.name):
            name = f"conv{match[1]}_{match[2]}"
            kernel, bias = layer.get_weights()
            np.testing.assert_array_equal(kernel, entries[f"{name}/W"])
            np.testing.assert_allclose(bias, entries[f"{name}/b"], rtol=1e-6)
    # Caffe: BGR, mean subtracted, not scaled.
    images = noise_images(64)[:, :32, :32]
    centred = images[..., ::-1] - [103.939, 116.779, 123.68]
    import tensorflow as tf

    expected = tf.nn.conv2d(
        centred.astype("float32"), entries["conv1_1/W"], 1, "SAME"
    )
    from keras import Model

    first = Model(model.input, model.get_layer("block1_conv1").output)
    np.testing.assert_allclose(
        first(images),
        np.maximum(expected + entries["conv1_1/b"], 0.0),
        rtol=1e-4,
        atol=1e-3,
    )


@pytest.fixture(scope="module")
def se_state_dict():
    network = torch_resnet.ResNet50(CLASSES, squeeze_excite=True)
    return network.state_dict()


def test_wrapped_state_dict(tmp_path, models, se_state_dict):
    """A checkpoint of a training with `DataParallel`."""
    wrapped = {f"module.{name}": t for name, t in se_state_dict.items()}
    torch.save({"epoch": 3, "state_dict": wrapped}, tmp_path / "a.pt")
    torch.save(se_state_dict, tmp_path / "b.pt")
    found, expected = (
        read_pytorch(tmp_path / name, models["resnet50_se"], ())
        for name in ("a.pt", "b.pt")
    )
    assert found.keys() == expected.keys()
    for name, arrays in expected.items():
        for array, wanted in zip(found[name], arrays):
            np.testing.assert_array_equal(array, wanted)


def test_training_state_and_tensor_names(tmp_path, models, se_state_dict):
    entries = tensorpack_names(se_state_dict)
    np.savez(tmp_path / "plain.npz", **entries)
    entries = {f"{name}:0": array for name, array in entries.items()}
    entries["global_step:0"] = np.array(5)
    entries["conv0/W/Momentum:0"] = entries["conv0/W:0"]
    np.savez(tmp_path / "training.npz", **entries)
    found, expected = (
        read_tensorpack(tmp_path / name, models["resnet50_se"], ())
        for name in ("training.npz", "plain.npz")
    )
    assert found.keys() == expected.keys()
    np.testing.assert_array_equal(
        found["conv1_conv"][0], expected["conv1_conv"][0]
    )


def pytorch_reader(tmp_path, model, entries):
    torch.save(entries, tmp_path / "a.pth")
    return read_pytorch(tmp_path / "a.pth", model, ())


def tensorpack_reader(tmp_path, model, entries):
    np.savez(tmp_path / "a.npz", **tensorpack_names(entries))
    return read_tensorpack(tmp_path / "a.npz", model, ())


@pytest.mark.parametrize(
    ("read", "missing", "extra", "misshaped"),
    [
        (
            pytorch_reader,
            "lacks layer1.0.se.fc1.weight, layer4.0.downsample.1.running_var,",
            "for layer9.0.conv1.weight$",
            r"'layer1.0.conv1.weight'.*'conv2_block1_1_conv'.*\(1, 1, 64, 63\)",
        ),
        (
            tensorpack_reader,
            "lacks group0/block0/fc1/W, group3/block0/convshortcut/bn/variance",
            "for group8/block0/conv1/W$",
            r"'group0/block0/conv1/W'.*'conv2_block1_1_conv'.*\(1, 1, 64, 63\)",
        ),
    ],
)
def test_unfit_entries_are_named(
    tmp_path, models, se_state_dict, read, missing, extra, misshaped
):
    model = models["resnet50_se"]
    fit = dict(se_state_dict)
    assert set(read(tmp_path, model, fit)) == {
        layer.name for layer in model.layers if layer.weights
    }
    unfit = {
        name: tensor
        for name, tensor in fit.items()
        if name
        not in (
            "layer1.0.se.fc1.weight",
            "layer4.0.downsample.1.running_var",
        )
    }
    with pytest.raises(DataError, match=f"{missing}.*for nothing"):
        read(tmp_path, model, unfit)
    unfit = {**fit, "layer9.0.conv1.weight": fit["layer1.0.conv1.weight"]}
    with pytest.raises(DataError, match=f"lacks nothing.*{extra}"):
        read(tmp_path, model, unfit)
    unfit = {**fit, "layer1.0.conv1.weight": fit["layer1.0.conv1.weight"][1:]}
    with pytest.raises(DataError, match=misshaped):
        read(tmp_path, model, unfit)


@pytest.mark.parametrize("suffix", ["pth", "npz"])
def test_other_number_of_classes(tmp_path, networks, suffix):
    backbone, network, _ = networks
    path = tmp_path / f"network.{suffix}"
    if suffix == "pth":
        torch.save(network.state_dict(), path)
    else:
        np.savez(path, **tensorpack_names(network.state_dict()))
    model, _, new_layers = build_classifier(backbone, 3, path, (32, 32, 3))
    assert new_layers == ("logits",)
    assert model.output_shape == (None, 3)
    kernel = network.conv1.weight.detach().numpy().transpose(2, 3, 1, 0)
    np.testing.assert_array_equal(
        model.get_layer("conv1_conv").get_weights()[0], kernel
    )


def test_file_without_a_classifier(tmp_path, models, se_state_dict):
    backbone = {
        name: tensor
        for name, tensor in se_state_dict.items()
        if not name.startswith("fc.")
    }
    model = models["resnet50_se"]
    for read in (pytorch_reader, tensorpack_reader):
        assert not read(tmp_path, model, backbone)["logits"]


@pytest.mark.parametrize("name", ["a.npz", "a.pth"])
def test_backbone_that_other_frameworks_do_not_have(tmp_path, models, name):
    if name == "a.npz":
        np.savez(tmp_path / name, **{"conv0/W": np.zeros(3)})
    else:
        torch.save({"conv1.weight": torch.zeros(3)}, tmp_path / name)
    with pytest.raises(DataError, match="not known for backbone 'small_cnn'"):
        build_classifier("small_cnn", 5, tmp_path / name, (32, 32, 3))


class Harmful:
    """Runs code of the file's choice when it is unpickled."""

    ran = False

    def __reduce__(self):
        return (setattr, (Harmful, "ran", True))


def test_pickled_objects_are_not_run(tmp_path, models):
    model = models["resnet50_se"]
    entry = np.empty(1, object)
    entry[0] = Harmful()
    np.savez(tmp_path / "entry.npz", **{"conv0/W": entry})
    (tmp_path / "whole.npz").write_bytes(pickle.dumps({"W": Harmful()}))
    for name in ("entry.npz", "whole.npz"):
        with pytest.raises(DataError, match=name):
            read_tensorpack(tmp_path / name, model, ())
    torch.save({"conv1.weight": Harmful()}, tmp_path / "a.pth")
    with pytest.raises(DataError, match="state_dict"):
        read_pytorch(tmp_path / "a.pth", model, ())
    assert not Harmful.ran


def test_pickled_entry_of_a_fitting_name(tmp_path, models, se_state_dict):
    entries = tensorpack_names(se_state_dict)
    entries["conv0/W"] = np.array([Harmful()], object)
    np.savez(tmp_path / "a.npz", **entries)
    with pytest.raises(DataError, match="plain arrays: .*allow_pickle"):
        read_tensorpack(tmp_path / "a.npz", models["resnet50_se"], ())
    assert not Harmful.ran


@pytest.mark.parametrize("name", ["a.npz", "a.pth", "a.pt"])
@pytest.mark.parametrize("content", [b"", b"not weights" * 50])
def test_garbage(tmp_path, models, name, content):
    (tmp_path / name).write_bytes(content)
    read = read_tensorpack if name == "a.npz" else read_pytorch
    with pytest.raises(DataError, match=name) as caught:
        read(tmp_path / name, models["resnet50_se"], ())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [[1.0], {"a": 1.0}, {"state_dict": 3}])
def test_no_state_dict(tmp_path, models, content):
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(DataError, match="no `state_dict`"):
        read_pytorch(tmp_path / "a.pth", models["resnet50_se"], ())


@pytest.mark.parametrize("name", ["a.npz", "a.pth"])
def test_missing_file(tmp_path, name):
    with pytest.raises(DataError, match=f"no weight file .*{name}"):
        build_classifier("vgg_gap", 5, str(tmp_path / name), (32, 32, 3))


def test_without_pytorch(tmp_path, models, monkeypatch):
    (tmp_path / "a.pth").write_bytes(b"")
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    with pytest.raises(DataError, match="pip install torch"):
        read_pytorch(tmp_path / "a.pth", models["resnet50_se"], ())

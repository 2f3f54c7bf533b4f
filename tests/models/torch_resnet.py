"""ResNet50 in PyTorch, plain and with SE: the other side of the converters.

Written from the published architecture with the names of torchvision, and of
timm for SE; no file of either library is needed.
"""

import re

import numpy as np
import torch
from torch import nn
from torch.nn import functional

MEAN = np.array([0.485, 0.456, 0.406])
DEVIATION = np.array([0.229, 0.224, 0.225])


class SqueezeExcite(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.fc1 = nn.Conv2d(channels, channels // 16, 1)
        self.fc2 = nn.Conv2d(channels // 16, channels, 1)

    def forward(self, features):
        units = torch.relu(self.fc1(features.mean((2, 3), keepdim=True)))
        return features * torch.sigmoid(self.fc2(units))


class Bottleneck(nn.Module):
    def __init__(self, channels, filters, stride, squeeze_excite):
        super().__init__()
        self.stride = stride
        self.same = False
        self.conv1 = nn.Conv2d(channels, filters, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(filters)
        self.conv2 = nn.Conv2d(filters, filters, 3, stride, bias=False)
        self.bn2 = nn.BatchNorm2d(filters)
        self.conv3 = nn.Conv2d(filters, 4 * filters, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * filters)
        if squeeze_excite:
            self.se = SqueezeExcite(4 * filters)
        if channels != 4 * filters:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels, 4 * filters, 1, stride, bias=False),
                nn.BatchNorm2d(4 * filters),
            )

    def forward(self, inputs):
        features = torch.relu(self.bn1(self.conv1(inputs)))
        # TensorFlow's "same" puts the odd row and column at the end.
        first = 0 if self.same and self.stride == 2 else 1
        features = functional.pad(features, (first, 1, first, 1))
        features = torch.relu(self.bn2(self.conv2(features)))
        features = self.bn3(self.conv3(features))
        if hasattr(self, "se"):
            features = self.se(features)
        if hasattr(self, "downsample"):
            inputs = self.downsample(inputs)
        return torch.relu(features + inputs)


class ResNet50(nn.Module):
    """`same` pads as TensorFlow does (Tensorpack), otherwise as PyTorch."""

    def __init__(
        self,
        classes,
        last_stride=1,
        squeeze_excite=False,
        same=False,
        third_stride=2,
    ):
        super().__init__()
        self.same = same
        self.conv1 = nn.Conv2d(3, 64, 7, 2, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        channels = 64
        for number, (filters, blocks, stride) in enumerate(
            [
                (64, 3, 1),
                (128, 4, 2),
                (256, 6, third_stride),
                (512, 3, last_stride),
            ],
            1,
        ):
            layer = nn.Sequential()
            for block in range(blocks):
                layer.append(
                    Bottleneck(
                        channels,
                        filters,
                        stride if block == 0 else 1,
                        squeeze_excite,
                    )
                )
                layer[-1].same = same
                channels = 4 * filters
            setattr(self, f"layer{number}", layer)
        self.fc = nn.Linear(channels, classes)

    def forward(self, images):
        first = 2 if self.same else 3
        features = functional.pad(images, (first, 3, first, 3))
        features = torch.relu(self.bn1(self.conv1(features)))
        first = 0 if self.same else 1
        features = functional.pad(features, (first, 1, first, 1))
        features = functional.max_pool2d(features, 3, 2)
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            features = layer(features)
        return self.fc(features.mean((2, 3)))


def with_random_weights(network, seed=0):
    """Every parameter and running statistic random; ready for inference."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(tensor, low, high):
        tensor.uniform_(low, high, generator=generator)

    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                uniform(module.weight, 0.4, 0.8)
                uniform(module.bias, -0.3, 0.3)
                uniform(module.running_mean, -0.2, 0.2)
                uniform(module.running_var, 0.5, 1.5)
            elif hasattr(module, "weight"):
                # Large enough for differences to survive fifty layers.
                deviation = (2.0 / module.weight[0].numel()) ** 0.5
                module.weight.normal_(0.0, deviation, generator=generator)
                if module.bias is not None:
                    uniform(module.bias, -1.0, 1.0)
    return network.eval()


def logits(network, images, bgr=False):
    """What the network answers for RGB images in [0, 255]."""
    inputs = (images / 255.0 - MEAN) / DEVIATION
    if bgr:
        inputs = inputs[..., ::-1]
    with torch.no_grad():
        return network(
            torch.tensor(inputs.transpose(0, 3, 1, 2).copy()).float()
        ).numpy()


def tensorpack_names(state_dict):
    """A state_dict as Tensorpack would have saved that network."""
    leaves = {
        "running_mean": "mean/EMA",
        "running_var": "variance/EMA",
        "weight": "gamma",
        "bias": "beta",
    }
    entries = {}
    for name, tensor in state_dict.items():
        if name.endswith("num_batches_tracked"):
            continue
        array = tensor.numpy()
        scope, _, leaf = name.rpartition(".")
        scope = re.sub(
            r"layer(\d)\.(\d)",
            lambda m: f"group{int(m[1]) - 1}/block{m[2]}",
            scope,
        )
        scope = scope.replace("downsample.0", "convshortcut")
        scope = scope.replace("downsample.1", "convshortcut/bn")
        scope = re.sub(r"\.bn(\d)$", r".conv\1/bn", scope).replace(".se.", ".")
        scope = {"conv1": "conv0", "bn1": "conv0/bn", "fc": "linear"}.get(
            scope, scope.replace(".", "/")
        )
        if not scope.endswith("bn"):
            leaf = {"weight": "W", "bias": "b"}[leaf]
        if array.ndim == 4:
            array = array.transpose(2, 3, 1, 0)
        if "/fc" in scope:
            array = array.reshape(array.shape[-2:]) if leaf == "W" else array
        elif scope == "linear" and leaf == "W":
            array = array.T
        entries[f"{scope}/{leaves.get(leaf, leaf)}"] = array
    return entries

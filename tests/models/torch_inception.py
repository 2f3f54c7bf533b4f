"""InceptionV3 of SPG in PyTorch: the other side of ours.

Written from the published architecture, with the names of its published code;
no file of it is needed.
"""

import torch
from torch import nn
from torch.nn import functional


class Convolution(nn.Module):
    def __init__(self, channels, filters, size, stride=1, padding=0):
        super().__init__()
        self.conv = nn.Conv2d(
            channels, filters, size, stride, padding, bias=False
        )
        self.bn = nn.BatchNorm2d(filters, eps=1e-3)

    def forward(self, features):
        return torch.relu(self.bn(self.conv(features)))


class Mixed(nn.Module):
    """Parallel rows of convolutions, and a pooled one."""

    def __init__(self, channels, branches, pool_filters=None):
        super().__init__()
        self.rows = []
        for branch, sizes in branches.items():
            self.rows.append([])
            before = channels
            for number, (filters, size) in enumerate(sizes, 1):
                name = f"{branch}_{number}" if len(sizes) > 1 else branch
                height, width = size if isinstance(size, tuple) else (size,) * 2
                layer = Convolution(
                    before,
                    filters,
                    (height, width),
                    padding=(height // 2, width // 2),
                )
                setattr(self, name, layer)
                self.rows[-1].append(name)
                before = filters
        if pool_filters:
            self.branch_pool = Convolution(channels, pool_filters, 1)

    def forward(self, inputs):
        outputs = []
        for row in self.rows:
            features = inputs
            for name in row:
                features = getattr(self, name)(features)
            outputs.append(features)
        if hasattr(self, "branch_pool"):
            # PyTorch counts the zeros of the border unless told otherwise.
            pooled = functional.avg_pool2d(inputs, 3, 1, 1)
            outputs.append(self.branch_pool(pooled))
        else:
            outputs.append(functional.max_pool2d(inputs, 3, 1, 1))
        return torch.cat(outputs, 1)


def _mixed_5(channels, pool_filters):
    branches = {
        "branch1x1": [(64, 1)],
        "branch5x5": [(48, 1), (64, 5)],
        "branch3x3dbl": [(64, 1), (96, 3), (96, 3)],
    }
    return Mixed(channels, branches, pool_filters)


def _mixed_6(filters):
    wide, tall = (1, 7), (7, 1)
    branches = {
        "branch1x1": [(192, 1)],
        "branch7x7": [(filters, 1), (filters, wide), (192, tall)],
        "branch7x7dbl": [
            (filters, 1),
            (filters, tall),
            (filters, wide),
            (filters, tall),
            (192, wide),
        ],
    }
    return Mixed(768, branches, 192)


class InceptionV3(nn.Module):
    """`branches` adds SPG's, which inference has no use for."""

    def __init__(self, classes, branches=False):
        super().__init__()
        self.Conv2d_1a_3x3 = Convolution(3, 32, 3, 2, 1)
        self.Conv2d_2a_3x3 = Convolution(32, 32, 3)
        self.Conv2d_2b_3x3 = Convolution(32, 64, 3, padding=1)
        self.Conv2d_3b_1x1 = Convolution(64, 80, 1)
        self.Conv2d_4a_3x3 = Convolution(80, 192, 3)
        self.Mixed_5b = _mixed_5(192, 32)
        self.Mixed_5c = _mixed_5(256, 64)
        self.Mixed_5d = _mixed_5(288, 64)
        self.Mixed_6a = Mixed(
            288,
            {
                "branch3x3": [(384, 3)],
                "branch3x3dbl": [(64, 1), (96, 3), (96, 3)],
            },
        )
        self.Mixed_6b = _mixed_6(128)
        self.Mixed_6c = _mixed_6(160)
        self.Mixed_6d = _mixed_6(160)
        self.Mixed_6e = _mixed_6(192)
        self.SPG_A3_1b = _convolutions(768, 1024)
        self.SPG_A3_2b = _convolutions(1024, 1024)
        self.SPG_A4 = nn.Conv2d(1024, classes, 1)
        if branches:
            self.SPG_B_1a = _convolutions(288, 512)
            self.SPG_B_2a = _convolutions(768, 512)
            self.SPG_B_shared = _convolutions(512, 512)
            self.SPG_B_shared.append(nn.Conv2d(512, 1, 1))
            self.SPG_C = _convolutions(1024, 512)
            self.SPG_C.append(nn.Conv2d(512, 1, 1))

    def features(self, images):
        """What `Mixed_5b` sees."""
        features = self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(images))
        features = _pooled(self.Conv2d_2b_3x3(features))
        return _pooled(self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(features)))

    def forward(self, images):
        features = self.features(images)
        for name in ("5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e"):
            features = getattr(self, f"Mixed_{name}")(features)
        maps = self.SPG_A4(self.SPG_A3_2b(self.SPG_A3_1b(features)))
        return maps.mean((2, 3))


def _convolutions(channels, filters):
    return nn.Sequential(nn.Conv2d(channels, filters, 3, padding=1), nn.ReLU())


def _pooled(features):
    return functional.max_pool2d(features, 3, 2, 1, ceil_mode=True)

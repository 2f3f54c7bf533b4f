"""The networks with ADL as a user of PyTorch would write them."""

import contextlib
import multiprocessing

import torch
from torch import nn

from adl_tf.training.memory import keep_freed_memory

# After which blocks, and gamma: where `adl_tf` has ADL by default.
VGG16 = (64, 64, "pool", 128, 128, "pool", *[256] * 3, "pool", "adl")
VGG16 += (*[512] * 3, "pool", "adl", *[512] * 3, "adl", 1024)
MOBILENET = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2))
MOBILENET += (*[(512, 1)] * 5, (1024, 1), (1024, 1))


class Adl(nn.Module):
    """Drop mask or importance map, drawn once a step."""

    def __init__(self, gamma, drop_rate=0.75):
        super().__init__()
        self.gamma, self.drop_rate = gamma, drop_rate

    def forward(self, features):
        if not self.training:
            return features
        attention = features.mean(1, keepdim=True)
        if torch.rand(()) >= self.drop_rate:
            return features * torch.sigmoid(attention)
        threshold = self.gamma * attention.amax((1, 2, 3), keepdim=True)
        return features * (attention < threshold)


class Pooled(nn.Module):
    """Mean over the map."""

    def forward(self, features):
        return features.mean((2, 3))


class Bottleneck(nn.Module):
    """Block of ResNet50, strided in its first convolution as Keras's."""

    def __init__(self, channels, filters, stride):
        super().__init__()
        self.branch = nn.Sequential(
            *_normalized(nn.Conv2d(channels, filters, 1, stride)),
            *_normalized(nn.Conv2d(filters, filters, 3, padding=1)),
            nn.Conv2d(filters, 4 * filters, 1),
            nn.BatchNorm2d(4 * filters),
        )
        self.shortcut = nn.Identity()
        if channels != 4 * filters:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels, 4 * filters, 1, stride),
                nn.BatchNorm2d(4 * filters),
            )

    def forward(self, features):
        return torch.relu(self.branch(features) + self.shortcut(features))


def _normalized(convolution, activation=nn.ReLU):
    return (
        convolution,
        nn.BatchNorm2d(convolution.out_channels),
        activation(inplace=True),
    )


def vgg_gap(classes):
    layers, channels = [], 3
    for item in VGG16:
        if item == "pool":
            layers.append(nn.MaxPool2d(2))
        elif item == "adl":
            layers.append(Adl(0.8))
        else:
            layers.append(nn.Conv2d(channels, item, 3, padding=1))
            layers.append(nn.ReLU(inplace=True))
            channels = item
    return nn.Sequential(*layers, Pooled(), nn.Linear(channels, classes))


def mobilenet_v1(classes):
    first = nn.Conv2d(3, 32, 3, 2, padding=1, bias=False)
    layers, channels = [*_normalized(first, nn.ReLU6)], 32
    for filters, stride in MOBILENET:
        depthwise = nn.Conv2d(
            channels, channels, 3, stride, 1, groups=channels, bias=False
        )
        pointwise = nn.Conv2d(channels, filters, 1, bias=False)
        layers += _normalized(depthwise, nn.ReLU6)
        layers += _normalized(pointwise, nn.ReLU6)
        channels = filters
    return nn.Sequential(
        *layers, Adl(0.95), Pooled(), nn.Linear(channels, classes)
    )


def resnet50(classes):
    layers = [*_normalized(nn.Conv2d(3, 64, 7, 2, padding=3))]
    layers.append(nn.MaxPool2d(3, 2, padding=1))
    channels = 64
    for filters, blocks, stride in (
        (64, 3, 1),
        (128, 4, 2),
        (256, 6, 2),
        (512, 3, 1),
    ):
        for block in range(blocks):
            layers.append(Bottleneck(channels, filters, 1 if block else stride))
            channels = 4 * filters
            if filters >= 256 and block == 0 or (filters, block) == (512, 2):
                layers.append(Adl(0.9))
    return nn.Sequential(*layers, Pooled(), nn.Linear(channels, classes))


NETWORKS = {
    "vgg_gap": vgg_gap,
    "resnet50": resnet50,
    "mobilenet_v1": mobilenet_v1,
}


class Steps:
    """Steps of training as `adl_tf.train` does them; a function.

    Args:
        backbone: Key of `NETWORKS`.
        images: uint8 array `(batch, height, width, 3)`.
        labels: int array `(batch,)`.
        classes: Number of classes.
    """

    def __init__(self, backbone, images, labels, classes):
        self.network = NETWORKS[backbone](classes)
        self.network = self.network.to(memory_format=torch.channels_last)
        self.network.train()
        head = list(self.network[-1].parameters())
        rest = [
            parameter
            for parameter in self.network.parameters()
            if all(parameter is not other for other in head)
        ]
        self.optimizer = torch.optim.SGD(
            [{"params": rest}, {"params": head, "lr": 0.01}],
            lr=0.001,
            momentum=0.9,
            nesterov=True,
            weight_decay=5e-4,
        )
        # Channels last without a copy.
        self.images = torch.from_numpy(images).permute(0, 3, 1, 2)
        self.labels = torch.from_numpy(labels).long()

    def __call__(self):
        images = self.images.float() / 127.5 - 1
        logits = self.network(images)
        loss = nn.functional.cross_entropy(logits, self.labels)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        # What a history has of each step.
        return loss.item(), (logits.argmax(1) == self.labels).sum().item()


class StepsApart:
    """`Steps` in a process of their own; a function.

    Args:
        keep_memory: Whether its allocator is set as `adl_tf.train` sets ours;
            else it is as it comes.
        arguments: Those of `Steps`.
    """

    def __init__(self, keep_memory, *arguments):
        context = multiprocessing.get_context("spawn")
        self._connection, other = context.Pipe()
        context.Process(
            target=_step_when_asked,
            args=(other, keep_memory, *arguments),
            daemon=True,
        ).start()

    def __call__(self):
        self._connection.send(None)
        return self._connection.recv()


def _step_when_asked(connection, keep_memory, *arguments):
    if keep_memory:
        keep_freed_memory()
    steps = Steps(*arguments)
    # Until whoever asks is gone.
    with contextlib.suppress(EOFError):
        while True:
            connection.recv()
            connection.send(steps())

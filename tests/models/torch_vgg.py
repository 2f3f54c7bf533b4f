"""VGG16 of wsolevaluation in PyTorch: the other side of ours.

Written from the published architecture, with the names of its published code;
no file of it is needed.
"""

import torch
from torch import nn

# Filters; M a 2x2 pool, M1 and M2 3x3 ones of stride 2 and 1; A where ADL is.
_FIRST = (64, 64, "M", 128, 128, "M", 256, 256, 256, "M")
CONFIGURATIONS = {
    "cam": (*_FIRST, 512, 512, 512, "M", 512, 512, 512),
    "cam, 28x28": (*_FIRST, 512, 512, 512, 512, 512, 512),
    "adl": (
        *(*_FIRST, "A", 512, 512, 512, "A", "M"),
        *(512, 512, 512, "A"),
    ),
    "adl, 28x28": (
        *(*_FIRST, "A", 512, 512, 512, "A"),
        *(512, 512, 512, "A"),
    ),
}


def features(configuration, channels=3):
    layers = []
    for each in configuration:
        if each == "A":
            layers.append(nn.Identity())
        elif each == "M":
            layers.append(nn.MaxPool2d(2, 2))
        elif each in ("M1", "M2"):
            layers.append(nn.MaxPool2d(3, 2 if each == "M1" else 1, 1))
        else:
            layers += [nn.Conv2d(channels, each, 3, padding=1), nn.ReLU()]
            channels = each
    return nn.Sequential(*layers)


class VggGap(nn.Module):
    def __init__(self, configuration, classes):
        super().__init__()
        self.features = features(CONFIGURATIONS[configuration])
        self.conv6 = nn.Conv2d(512, 1024, 3, padding=1)
        self.fc = nn.Linear(1024, classes)

    def forward(self, images):
        maps = torch.relu(self.conv6(self.features(images)))
        return self.fc(maps.mean((2, 3)))


class VggSpg(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.features = features(_FIRST)
        self.SPG_A_1 = features((512, 512, 512), 256)
        self.SPG_A_2 = features((512, 512, 512), 512)
        self.SPG_A_3 = features((512, 512), 512)
        self.SPG_A_4 = nn.Conv2d(512, classes, 1)
        self.SPG_B_1a = features((512,), 512)
        self.SPG_B_2a = features((512,), 512)
        self.SPG_B_shared = features((512,), 512).append(nn.Conv2d(512, 1, 1))
        self.SPG_C = features((512,), 512).append(nn.Conv2d(512, 1, 1))

    def places(self, images):
        """What B1, B2 and C see, the class maps and the masks."""
        first = self.SPG_A_1(self.features(images))
        first = nn.functional.max_pool2d(first, 3, 2, 1)
        second = self.SPG_A_2(first)
        last = self.SPG_A_3(second)
        masks = (
            self.SPG_B_shared(self.SPG_B_1a(first)),
            self.SPG_B_shared(self.SPG_B_2a(second)),
            self.SPG_C(last),
        )
        return (first, second, last), self.SPG_A_4(last), masks

    def forward(self, images):
        return self.places(images)[1].mean((2, 3))

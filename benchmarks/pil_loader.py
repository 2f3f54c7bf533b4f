"""What users of PyTorch have: a DataLoader of images that PIL decodes."""

import random

import torch
from PIL import Image


class Images(torch.utils.data.Dataset):
    """Warped, cropped at random and flipped, uint8 `(3, size, size)`."""

    def __init__(self, paths, side, size):
        self.paths, self.side, self.size = paths, side, size

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        with Image.open(self.paths[index]) as file:
            image = file.convert("RGB")
        image = image.resize((self.side, self.side), Image.BILINEAR)
        left, top = (random.randint(0, self.side - self.size) for _ in "xy")
        image = image.crop((left, top, left + self.size, top + self.size))
        if random.random() < 0.5:
            image = image.transpose(Image.FLIP_LEFT_RIGHT)
        levels = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8)
        return levels.view(self.size, self.size, 3).permute(2, 0, 1)


def loader(paths, side, size, batch_size, workers):
    """A shuffled `DataLoader` whose processes stay."""
    return torch.utils.data.DataLoader(
        Images(paths, side, size),
        batch_size,
        shuffle=True,
        num_workers=workers,
        persistent_workers=True,
        # TensorFlow's threads do not live on in forked processes.
        multiprocessing_context="spawn",
    )

"""Smooth Grad-CAM++ (Omeiza et al., 2019)."""

import keras
from keras import ops

from adl_tf.heatmaps.errors import HeatmapError
from adl_tf.heatmaps.grad_cam_pp import weights_of
from adl_tf.heatmaps.heatmap import GradientHeatmap


class SmoothGradCAMpp(GradientHeatmap):
    """Grad-CAM++ whose derivatives are means over noisy images.

    Noise of a normal distribution is added to the image, `samples` times. The
    means of G, G^2 and G^3 replace them in Grad-CAM++; features are those of
    the image without noise. As in torch-cam, the numerator of
    alpha is that of Grad-CAM++, where the paper writes the first derivative;
    the gradient that weights it is the mean, where torch-cam takes the last.

    Args:
        model: See `Heatmap`.
        layer: See `Heatmap`.
        output: See `Heatmap`.
        relu: See `Heatmap`.
        samples: Number of noisy images.
        noise: Standard deviation of the noise, as a share of the difference
            between the largest and the smallest value of the image.
        seed: Integer. Equal calls use equal noise.

    Example:

    >>> model = keras.applications.MobileNet(weights=None)
    >>> tuple(SmoothGradCAMpp(model)(np.zeros((2, 224, 224, 3))).shape)
    (2, 7, 7)

    Reference:

    - [Omeiza et al., 2019](https://arxiv.org/abs/1908.01224)
    """

    def __init__(
        self,
        model,
        layer=None,
        output=None,
        relu=False,
        samples=4,
        noise=0.1,
        seed=0,
    ):
        super().__init__(model, layer, output, relu)
        if samples < 1 or noise < 0:
            raise HeatmapError(
                "`samples` must be 1 or more and `noise` not negative. "
                f"Received: samples={samples}, noise={noise}"
            )
        self.samples, self.noise, self.seed = samples, noise, seed

    def logits_and_maps(self, probe, inputs, class_ids):
        features, logits = probe.features(inputs)
        if class_ids is None:
            class_ids = ops.argmax(logits, axis=-1)
        images, put = probe.images(inputs)
        images = ops.cast(images, "float32")
        axes = (1, 2, 3)
        spread = ops.max(images, axes, keepdims=True) - ops.min(
            images, axes, keepdims=True
        )
        sums = [(0.0, 0.0, 0.0)] * len(features)
        for sample in range(self.samples):
            noise = noise_like(images, self.seed + sample)
            noisy = put(images + self.noise * spread * noise)
            _, gradients, _ = probe.gradients(
                noisy, lambda logits: self.score(logits, class_ids)
            )
            sums = [
                tuple(each + g**power for power, each in enumerate(powers, 1))
                for powers, g in zip(sums, gradients)
            ]
        maps = []
        for those, powers in zip(features, sums):
            means = (each / self.samples for each in powers)
            weights = weights_of(those, *means)
            maps.append(ops.einsum("bhwc,bc->bhw", those, weights))
        return logits, self.finish(maps)


def noise_like(images, seed):
    """Noise of mean 0 and standard deviation 1, the same for a seed."""
    return keras.random.normal(ops.shape(images), seed=seed)

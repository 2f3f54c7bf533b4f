"""What boxes are compared with: OpenCV's contours, one cut-off at a time."""

import cv2
import numpy as np


def contours_above(levels, cutoff):
    return cv2.findContours(
        np.uint8(levels > cutoff), cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE
    )[0]


def box_of(contour):
    x, y, width, height = cv2.boundingRect(contour)
    return [x, y, x + width, y + height]


def largest_box(levels, cutoff, by_rectangle=False):
    """OpenCV's first contour of those that are the largest."""
    best, most = [0, 0, 0, 0], -1
    for contour in contours_above(levels, cutoff):
        x0, y0, x1, y1 = box_of(contour)
        area = cv2.contourArea(contour)
        if by_rectangle:
            area = (x1 - x0) * (y1 - y0)
        if area > most:
            best, most = [x0, y0, x1, y1], area
    return best


def class_map(shape, seed, width):
    """Noise, blurred: positive and negative."""
    noise = np.random.default_rng(seed).normal(size=shape)
    return cv2.GaussianBlur(noise, (0, 0), width).reshape(shape)


def smooth(shape, seed, width):
    """The same from 0 to 1."""
    blurred = class_map(shape, seed, width)
    blurred -= blurred.min()
    return blurred / (blurred.max() or 1)

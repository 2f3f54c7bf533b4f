"""Images with heatmaps and boxes in rows and columns, by matplotlib."""

import dataclasses
import os

import numpy as np

ENDINGS = (".png", ".pdf", ".svg")
GROUND_TRUTH = "#ff4040"
PREDICTED = "#40e040"
# Inches.
_SIDE, _GAP, _LINE, _BAR = 1.6, 0.08, 0.26, 0.6


@dataclasses.dataclass(frozen=True)
class Panel:
    """A cell of a figure.

    Attributes:
        image: uint8 RGB array `(side, side, 3)`, or `None` for white.
        heatmap: Float array in [0, 1] of any size, laid over the image, which
            is grey below it; or `None`.
        boxes: Tuple of tuples of a box (x0, y0, x1, y1 in pixels of the
            image) and its colour.
    """

    image: np.ndarray | None
    heatmap: np.ndarray | None = None
    boxes: tuple = ()


def figure(rows, titles, captions, colour_map="viridis"):
    """Draws panels.

    Args:
        rows: List of lists of `Panel`.
        titles: List of text, one a column.
        captions: List of text, one a row, below it.
        colour_map: Name of a colour map of matplotlib.

    Returns:
        `matplotlib.figure.Figure`, with a colour bar if there are heatmaps.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

    width = len(titles) * (_SIDE + _GAP) + _GAP
    step = _SIDE + _LINE + _GAP
    height = len(rows) * step + _LINE
    has_bar = any(panel.heatmap is not None for row in rows for panel in row)
    size = np.array([width + has_bar * _BAR, height])
    drawn = Figure(figsize=size, dpi=200)

    def add_axes(left, top, wide, high, **options):
        place = np.array([left, height - top - high, wide, high])
        return drawn.add_axes(place / np.tile(size, 2), **options)

    for number, (row, caption) in enumerate(zip(rows, captions)):
        top = _LINE + number * step
        for column, (panel, title) in enumerate(zip(row, titles)):
            left = _GAP + column * (_SIDE + _GAP)
            cell = add_axes(left, top, _SIDE, _SIDE, xticks=[], yticks=[])
            _draw(cell, panel, colour_map)
            if not number:
                cell.set_title(title, fontsize=7)
            if not column:
                cell.set_xlabel(caption, fontsize=6, loc="left")
    if has_bar:
        bar = drawn.colorbar(
            ScalarMappable(cmap=colour_map),
            cax=add_axes(width, _LINE, 0.1, height - 2 * _LINE - _GAP),
        )
        bar.set_label("heatmap", fontsize=7)
        bar.ax.tick_params(labelsize=6)
    return drawn


def save(drawn, path):
    """Writes a figure in the format of the file's ending.

    Args:
        drawn: `matplotlib.figure.Figure`.
        path: The file; its folder is made.
    """
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    drawn.savefig(path)


def _draw(cell, panel, colour_map):
    from matplotlib.patches import Rectangle

    for spine in cell.spines.values():
        spine.set_visible(False)
    side = 224 if panel.image is None else len(panel.image)
    # The edges of pixels, as boxes have them.
    extent, opacity = (0, side, side, 0), 1.0
    if panel.image is not None and panel.heatmap is not None:
        # Grey, so that every colour is the heatmap's.
        grey, opacity = panel.image.mean(axis=-1), 0.5
        cell.imshow(grey, extent=extent, cmap="gray", vmin=0, vmax=255)
    elif panel.image is not None:
        cell.imshow(panel.image, extent=extent)
    if panel.heatmap is not None:
        cell.imshow(
            panel.heatmap,
            extent=extent,
            cmap=colour_map,
            vmin=0,
            vmax=1,
            alpha=opacity,
            interpolation="bilinear",
        )
    for (x0, y0, x1, y1), colour in panel.boxes:
        size = x1 - x0 + 1, y1 - y0 + 1
        for width, edge in ((2.2, "black"), (1.2, colour)):
            style = {"fill": False, "linewidth": width, "edgecolor": edge}
            cell.add_patch(Rectangle((x0, y0), *size, **style))
    # Room for lines along the edge.
    cell.set(xlim=(-2, side + 2), ylim=(side + 2, -2))

"""Images with heatmaps and boxes in rows and columns, by matplotlib."""

import dataclasses
import os

import numpy as np

from adl_tf.errors import UsageError

ENDINGS = (".png", ".pdf", ".svg")
GROUND_TRUTH = "#ff4040"
PREDICTED = "#40e040"
_INCHES = 1.6
_LINE = 0.24
_DOTS = 200


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


def check_output(path):
    """Refuses a file whose ending is of no known format.

    Args:
        path: The file.

    Raises:
        UsageError: If it ends otherwise.
    """
    if not path.endswith(ENDINGS):
        raise UsageError(
            f"--output={path} does not end in {', '.join(ENDINGS)}"
        )


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
    from matplotlib.figure import Figure

    columns = len(titles)
    size = (columns * _INCHES, len(rows) * (_INCHES + _LINE) + _LINE)
    drawn = Figure(figsize=size, dpi=_DOTS, layout="constrained")
    axes = drawn.subplots(len(rows), columns, squeeze=False)
    coloured = None
    for row, cells in zip(axes, rows):
        for cell, panel in zip(row, cells):
            coloured = _draw(cell, panel, colour_map) or coloured
    for cell, title in zip(axes[0], titles):
        cell.set_title(title, fontsize=7)
    for row, caption in zip(axes, captions):
        row[0].set_xlabel(caption, fontsize=6, loc="left")
    if coloured:
        bar = drawn.colorbar(coloured, ax=axes, shrink=0.6, pad=0.01)
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
    """Draws a panel; returns what a colour bar is made of, or `None`."""
    from matplotlib.patches import Rectangle

    cell.set(xticks=[], yticks=[])
    for spine in cell.spines.values():
        spine.set_visible(False)
    side = 224 if panel.image is None else len(panel.image)
    # The edges of pixels, as boxes have them.
    extent = (0, side, side, 0)
    opacity = 1.0
    if panel.image is not None:
        shown, colours = panel.image, {}
        if panel.heatmap is not None:
            # Grey, so that every colour is the heatmap's.
            shown, opacity = panel.image.mean(axis=-1), 0.5
            colours = {"cmap": "gray", "vmin": 0, "vmax": 255}
        cell.imshow(shown, extent=extent, **colours)
    coloured = None
    if panel.heatmap is not None:
        coloured = cell.imshow(
            panel.heatmap,
            extent=extent,
            cmap=colour_map,
            vmin=0,
            vmax=1,
            alpha=opacity,
            interpolation="bilinear",
        )
    for (x0, y0, x1, y1), colour in panel.boxes:
        corner, width, height = (x0, y0), x1 - x0 + 1, y1 - y0 + 1
        for line, edge in ((2.2, "black"), (1.2, colour)):
            cell.add_patch(
                Rectangle(
                    corner, width, height, fill=False, lw=line, edgecolor=edge
                )
            )
    cell.set(xlim=(0, side), ylim=(side, 0))
    return coloured

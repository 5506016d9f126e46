"""Draws a field of distances as a map for people to look at. Knows nothing of jobs or processes."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.text import Annotation
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

Bounds = tuple[float, float, float, float]  # west, south, east, north

WIDTH_PIXELS = 1500
DOTS_PER_INCH = 120
CONTOURS_KM = (10, 25, 50, 100, 200, 400, 800, 1600, 3200, 6400, 12800)
INK = "#1d2433"
FAINT_INK = "#5b6478"


@dataclass(frozen=True)
class MapText:
    """The words on a map."""

    title: str
    subtitle: str
    source: str
    mark: str


def draw_map(
    path: Path,
    distance: NDArray[np.float32],
    bounds: Bounds,
    points: tuple[NDArray[np.float64], NDArray[np.float64]],
    mark: tuple[float, float],
    text: MapText,
) -> None:
    """Draw distances as a PNG, 1500 pixels wide and as high as the box asks for.

    Args:
        path: the file to write.
        distance: kilometres, shape (rows, columns), the first row is the northernmost.
        bounds: west, south, east and north edge of the field, degrees.
        points: longitudes and latitudes of the places the distances lead to, degrees.
        mark: longitude and latitude of the place to mark with `text.mark`, degrees.
        text: the words on the map.
    """
    west, south, east, north = bounds
    # A degree of longitude is drawn as long as it is at the middle latitude, as on a plain
    # equirectangular map. Near the poles, and in very long or very high boxes, the picture has
    # to be stretched instead, or there would be a needle.
    stretch = 1 / max(math.cos(math.radians((south + north) / 2)), 0.2)
    shape = min(max((north - south) * stretch / (east - west), 0.25), 3.0)
    figure_width = WIDTH_PIXELS / DOTS_PER_INCH
    left, right, bottom, top = 0.75, 1.25, 0.85, 1.0  # margins in inches
    map_width = min(figure_width - left - right, 12.0 / shape)
    map_height = map_width * shape
    figure_height = map_height + bottom + top
    figure = Figure(figsize=(figure_width, figure_height), dpi=DOTS_PER_INCH, facecolor="white")
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes(
        (
            left / figure_width,
            bottom / figure_height,
            map_width / figure_width,
            map_height / figure_height,
        )
    )
    farthest = max(float(distance.max()), 1e-3)
    # A square root spreads the short distances, where most of the land is, over more colours.
    image = axes.imshow(
        distance,
        extent=(west, east, south, north),
        cmap="magma_r",
        norm=PowerNorm(0.5, vmin=0, vmax=farthest),
        interpolation="bilinear",
        aspect="auto",  # the axes have the right shape already
    )
    axes.plot(*points, ".", color=INK, markersize=2.2, markeredgewidth=0, alpha=0.8)
    axes.set(xlim=(west, east), ylim=(south, north))
    note = draw_mark(axes, bounds, mark, text.mark)
    levels = [level for level in CONTOURS_KM if distance.min() < level < farthest][-5:]
    if levels and min(distance.shape) > 1:
        draw_contours(axes, bounds, distance, levels, note.get_window_extent(canvas.get_renderer()))

    axes.xaxis.set_major_locator(MaxNLocator(9, steps=[1, 2, 3, 5, 10]))
    axes.yaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 3, 5, 10]))
    axes.xaxis.set_major_formatter(lambda value, _: degrees(value, "E", "W"))
    axes.yaxis.set_major_formatter(lambda value, _: degrees(value, "N", "S"))
    bar = figure.colorbar(image, cax=axes.inset_axes((1 + 0.2 / map_width, 0, 0.2 / map_width, 1)))
    # The farthest distance gets a tick of its own unless it would touch the last contour's.
    ends = [0.0, farthest] if farthest > 1.2 * max(levels, default=0) else [0.0]
    bar.set_ticks([*ends, *levels], labels=[kilometres(tick) for tick in [*ends, *levels]])
    bar.set_label("km to the nearest airport", color=INK, fontsize=10.5)
    bar.ax.minorticks_off()
    for frame in (axes, bar.ax):
        frame.tick_params(colors=FAINT_INK, labelcolor=INK, labelsize=9.5)
        frame.spines[:].set_color(FAINT_INK)

    for inches, words, size, color in (
        (figure_height - 0.42, text.title, 18.0, INK),
        (figure_height - 0.74, text.subtitle, 10.5, FAINT_INK),
        (0.22, text.source, 8.5, FAINT_INK),
    ):
        label = figure.text(left / figure_width, inches / figure_height, words)
        label.set(fontsize=size, color=color, fontweight="bold" if size > 12 else "normal")
    canvas.print_png(path)


def draw_mark(axes: Axes, bounds: Bounds, mark: tuple[float, float], words: str) -> Annotation:
    """Draw a ring, and words beside it that go towards the middle of the map."""
    west, south, east, north = bounds
    axes.plot(
        *mark,
        marker="o",
        markersize=10,
        markerfacecolor="none",
        markeredgecolor="white",
        markeredgewidth=2,
        clip_on=False,  # it may well be on the edge
        zorder=5,
        path_effects=[withStroke(linewidth=4, foreground=INK)],
    )
    to_left, to_bottom = mark[0] > (west + east) / 2, mark[1] > (south + north) / 2
    return axes.annotate(
        words,
        mark,
        xytext=(-18 if to_left else 18, -18 if to_bottom else 18),
        textcoords="offset points",
        ha="right" if to_left else "left",
        va="top" if to_bottom else "bottom",
        multialignment="left",
        color="white",
        fontsize=10.5,
        linespacing=1.35,
        zorder=5,
        bbox={"boxstyle": "round,pad=0.5", "facecolor": INK, "edgecolor": "none", "alpha": 0.85},
    )


def draw_contours(
    axes: Axes, bounds: Bounds, distance: NDArray[np.float32], levels: list[int], keep_free: Bbox
) -> None:
    """Draw and label lines of equal distance, dark where the map is light and the reverse."""
    west, south, east, north = bounds
    rows, columns = distance.shape
    contours = axes.contour(
        west + (np.arange(columns) + 0.5) * (east - west) / columns,
        north - (np.arange(rows) + 0.5) * (north - south) / rows,
        distance,
        levels=levels,
        colors=[INK if level < 0.25 * distance.max() else "white" for level in levels],
        linewidths=0.8,
        alpha=0.7,
    )
    # Label the longest lines of each level, a quarter from either end or as near to there as a
    # label is clear of the map's edge, of the words at the mark and of the other labels.
    inside = axes.bbox.padded(-50)
    taken: list[Bbox] = [keep_free.padded(15)]
    places = []
    for lines in contours.allsegs[-4:]:
        for line in sorted(lines, key=len, reverse=True)[:2]:
            pixels = axes.transData.transform(line)
            if np.hypot(*np.diff(pixels, axis=0).T).sum() < 200:
                continue  # hardly longer than its label
            for wanted in (len(line) // 4, len(line) * 3 // 4):
                for index in np.argsort(np.abs(np.arange(len(line)) - wanted), kind="stable"):
                    x, y = pixels[index]
                    box = Bbox.from_bounds(x - 45, y - 45, 90, 90)
                    if inside.contains(x, y) and not box.count_overlaps(taken):
                        taken.append(box)
                        places.append(tuple(line[index]))
                        break
    for label in contours.clabel(
        levels[-4:], fmt=lambda value: f"{value:,.0f} km", fontsize=9, manual=places
    ):
        label.set_alpha(1)


def kilometres(value: float) -> str:
    """Write a distance with as many digits as people care for: `1,217`, `44`, `3.6`."""
    return f"{value:,.0f}" if value >= 10 or not value else f"{value:.2g}"


def degrees(value: float, positive: str, negative: str) -> str:
    """Write an angle as people do: `100°W`, `0°`, `37.5°N`."""
    number = f"{abs(value):.6g}"
    return f"{number}°" + ("" if number == "0" else positive if value > 0 else negative)

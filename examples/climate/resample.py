"""Averages monthly winds over seasons or years, and draws them."""

import os
from pathlib import Path
from typing import Annotated, Literal, TypedDict

import xarray as xr
from matplotlib.figure import Figure
from pydantic import Field

DATASETS = Path(os.environ.get("CLIMATE_DATASETS", "demo-output/climate/datasets"))
STEPS = {"season": "QS-DEC", "year": "YS"}
# Where the trade winds drop in the years of El Niño: the region Niño 4.
NINO_4 = {"lat": slice(-5, 5), "lon": slice(160, 210)}


class Resampled(TypedDict):
    """What is made of a dataset."""

    means: Annotated[xr.Dataset, Field(description="Mean winds, m/s.")]
    map: Annotated[Figure, Field(description="Mean winds of all months.")]
    plot: Annotated[Figure, Field(description="The trade wind over the central Pacific.")]


def run(
    dataset: Annotated[str, Field(pattern="^[a-z0-9-]+$")],
    period: Literal["season", "year"] = "year",
    datasets: Path = DATASETS,
) -> Resampled:
    """Average winds over seasons or years, and draw them.

    Args:
        dataset: The name of the dataset, as `ingest` returns it.
        period: What to average over.
        datasets: The folder of all datasets.
    """
    winds = read(datasets / dataset)
    means = winds.resample(time=STEPS[period]).mean()
    return {"means": means, "map": draw_map(winds), "plot": draw_plot(means, period)}


def read(folder: Path) -> xr.Dataset:
    """Return the monthly files of a folder as one dataset.

    Args:
        folder: with files such as `u10-1991-01.nc`.
    """
    variables = [
        xr.concat([xr.load_dataset(path, engine="scipy") for path in paths], dim="time")
        for variable in ("u10", "v10")
        if (paths := sorted(folder.glob(f"{variable}-*.nc")))
    ]
    # The northward wind begins later; before that it is missing.
    return xr.merge(variables, join="outer")


def draw_map(winds: xr.Dataset) -> Figure:
    """Return a map: how strong the eastward wind is, and where the wind blows.

    Args:
        winds: by time, latitude and longitude, m/s.
    """
    figure = Figure(figsize=(9, 4), layout="constrained")
    axes = figure.add_subplot()
    winds["u10"].mean("time").plot.pcolormesh(
        ax=axes, cmap="RdBu_r", center=0, cbar_kwargs={"label": "eastward wind, m/s"}
    )
    title = "Wind 10 m above the Pacific, {} to {}".format(*first_and_last_month(winds))
    if "v10" in winds:
        known = winds.dropna("time")
        mean = known.mean("time")
        axes.quiver(mean["lon"], mean["lat"], mean["u10"], mean["v10"], scale=150, width=0.002)
        title += "; arrows {} to {}".format(*first_and_last_month(known))
    axes.set(title=title, xlabel="longitude, °E", ylabel="latitude, °N")
    axes.set_aspect("equal")
    return figure


def draw_plot(means: xr.Dataset, period: str) -> Figure:
    """Return a plot of the trade wind over the central Pacific by time.

    Args:
        means: by time, latitude and longitude, m/s.
        period: over which they are.
    """
    trade_wind = -means["u10"].sel(NINO_4).mean(["lat", "lon"])
    figure = Figure(figsize=(9, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(trade_wind["time"], trade_wind, marker=".")
    axes.axhline(float(trade_wind.mean()), color="grey", linewidth=0.8)
    axes.set(
        title=f"Trade wind at 160°E to 150°W, 5°S to 5°N, mean of each {period}",
        ylabel="westward wind, m/s",
    )
    return figure


def first_and_last_month(winds: xr.Dataset) -> tuple[str, str]:
    """Return the first and the last month of a dataset, such as `1991-01`."""
    first, last = winds["time"].dt.strftime("%Y-%m").values[[0, -1]]
    return first, last

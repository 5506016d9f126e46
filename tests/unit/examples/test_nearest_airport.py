"""The example process computes what it says: checked against brute force and read back."""

import importlib
import struct
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

pytest.importorskip("matplotlib")
rasterio = pytest.importorskip("rasterio")
pytest.importorskip("scipy")
Geod = pytest.importorskip("pyproj").Geod

EXAMPLES = Path(__file__).parents[3] / "examples"
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
SMALL_BOX: dict[str, Any] = {"bbox": [-106, 39, -104, 40], "resolution": 0.25}


class RecordedJob:
    """Stands in for `job` and remembers what the process told it."""

    def __init__(self, dismissed_after: int | None = None) -> None:
        self.steps: list[tuple[float, float, str]] = []
        self.outputs: dict[str, tuple[bytes, str]] = {}
        self._dismissed_after = dismissed_after

    def progress(self, done: float, total: float = 100, message: str | None = None) -> None:
        self.steps.append((done, total, message or ""))

    def cancel_requested(self) -> bool:
        return self._dismissed_after is not None and len(self.steps) >= self._dismissed_after

    def output(self, name: str, data: Path, *, media_type: str) -> None:
        self.outputs[name] = (data.read_bytes(), media_type)


@pytest.fixture(scope="module")
def example() -> Iterator[ModuleType]:
    """The process's module, imported as a pygeoapi configuration would name it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(EXAMPLES)
        yield importlib.import_module("nearest_airport")


@pytest.fixture
def recorded(example: ModuleType, monkeypatch: pytest.MonkeyPatch) -> RecordedJob:
    job = RecordedJob()
    monkeypatch.setattr(example, "job", job)
    return job


@pytest.fixture
def processor(example: ModuleType) -> Any:
    return example.NearestAirportProcessor({"name": "nearest_airport.NearestAirportProcessor"})


def refusal(example: ModuleType, processor: Any, data: dict[str, Any], outputs: Any = None) -> str:
    with pytest.raises(example.ProcessorExecuteError) as caught:
        processor.execute(data, outputs)
    return str(caught.value.message)  # what pygeoapi shows to the client


def brute_force(airports: Any, longitudes: Any, latitudes: Any) -> Any:
    """Kilometres to the nearest airport by geodesics to every one of them."""
    shape = (len(longitudes), len(airports.codes))
    metres = Geod(ellps="WGS84").inv(
        np.broadcast_to(np.asarray(longitudes)[:, None], shape),
        np.broadcast_to(np.asarray(latitudes)[:, None], shape),
        np.broadcast_to(airports.longitudes, shape),
        np.broadcast_to(airports.latitudes, shape),
    )[2]
    return metres.min(axis=1) / 1000


def test_the_list_has_3376_airports_with_unique_codes(example: ModuleType) -> None:
    airports = example.read_airports()
    assert len(airports.codes) == len(set(airports.codes)) == 3376


def test_the_distance_at_an_airport_is_zero(example: ModuleType) -> None:
    airports = example.read_airports()
    finder = example.DistanceFinder(airports)
    assert finder.kilometres(airports.longitudes, airports.latitudes).max() < 1e-6


def test_a_known_distance_is_right(example: ModuleType) -> None:
    # Karney's GeographicLib gives 110574.3886 m for one degree of latitude at the equator.
    one = example.Airports(("X",), ("X",), np.array([0.0]), np.array([0.0]))
    (distance,) = example.DistanceFinder(one).kilometres(np.array([0.0]), np.array([1.0]))
    assert distance == pytest.approx(110.5743886, abs=1e-6)


@pytest.mark.parametrize(
    "bbox",
    [
        pytest.param((-125, 24, -66, 50), id="the contiguous United States"),
        pytest.param((-180, -90, 180, 90), id="the whole world"),
        pytest.param((60, -55, 110, -15), id="the far side, where many are about as far"),
    ],
)
def test_distances_agree_with_geodesics_to_all_airports(
    example: ModuleType, bbox: tuple[float, float, float, float]
) -> None:
    airports = example.read_airports()
    grid = example.make_grid(bbox, resolution=(bbox[2] - bbox[0]) / 24)
    distances = example.compute_distances(grid, airports)
    longitudes, latitudes = np.meshgrid(grid.longitudes(), grid.latitudes())
    expected = brute_force(airports, longitudes.ravel(), latitudes.ravel())
    np.testing.assert_allclose(distances.ravel(), expected, rtol=1e-6)  # 32-bit floats


def test_the_finder_is_exact_where_angle_and_distance_disagree(example: ModuleType) -> None:
    # From the equator, one degree east is longer in metres than 1.005 degrees north, so the
    # airport that is nearest by angle is not the nearest.
    two = example.Airports(
        ("EAST", "NORTH"), ("", ""), np.array([1.0, 0.0]), np.array([0.0, 1.005])
    )
    assert example.nearest_airport(two, 0.0, 0.0) == 1
    (distance,) = example.DistanceFinder(two).kilometres(np.zeros(1), np.zeros(1))
    np.testing.assert_allclose(distance, brute_force(two, [0.0], [0.0]), rtol=1e-12)


def test_blocks_of_rows_join_without_seams(
    example: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    airports = example.read_airports("CO")
    grid = example.make_grid((-106, 37, -104, 40), resolution=0.1)
    in_blocks = example.compute_distances(grid, airports)
    monkeypatch.setattr(example, "BLOCKS", 1)
    np.testing.assert_array_equal(in_blocks, example.compute_distances(grid, airports))


@pytest.mark.parametrize(
    ("bbox", "resolution", "columns", "rows"),
    [
        ((-125, 24, -66, 50), 0.1, 590, 260),
        ((0.1, 0.1, 0.7, 0.7), 0.1, 6, 6),  # not 7, although (0.7 - 0.1) / 0.1 > 6
        ((0, 0, 1, 1), 0.3, 4, 4),  # cells of 0.25 fill the box, cells of 0.3 would not
        ((0, 0, 1, 2), 10, 1, 1),
    ],
)
def test_whole_cells_no_larger_than_asked_for_fill_the_box(
    example: ModuleType,
    bbox: tuple[float, float, float, float],
    resolution: float,
    columns: int,
    rows: int,
) -> None:
    grid = example.make_grid(bbox, resolution)
    assert (grid.columns, grid.rows) == (columns, rows)
    assert grid.bounds == bbox


def test_the_raster_lies_where_the_box_is(processor: Any, recorded: RecordedJob) -> None:
    processor.execute(SMALL_BOX, ["raster"])
    data, media_type = recorded.outputs["raster"]
    assert media_type == "image/tiff; application=geotiff"
    with rasterio.MemoryFile(data) as memory, memory.open() as raster:
        assert raster.crs.to_epsg() == 4326
        assert tuple(raster.bounds) == (-106, 39, -104, 40)
        assert raster.transform.to_gdal() == (-106, 0.25, 0, 40, 0, -0.25)  # north up
        assert raster.dtypes == ("float32",)
        assert raster.nodata == -9999
        assert raster.compression == rasterio.enums.Compression.deflate
        assert raster.units == ("km",)


def test_each_value_of_the_raster_is_that_of_its_cells_centre(
    example: ModuleType, processor: Any, recorded: RecordedJob
) -> None:
    processor.execute(SMALL_BOX, ["raster"])
    with rasterio.MemoryFile(recorded.outputs["raster"][0]) as memory, memory.open() as raster:
        values = raster.read(1)
        rows, columns = np.indices(values.shape)
        longitudes, latitudes = raster.xy(rows.ravel(), columns.ravel())
    expected = brute_force(example.read_airports(), longitudes, latitudes)
    np.testing.assert_allclose(values.ravel(), expected, rtol=1e-6)


def test_the_map_is_a_png_that_fits_a_screen(processor: Any, recorded: RecordedJob) -> None:
    processor.execute(SMALL_BOX, ["map"])
    data, media_type = recorded.outputs["map"]
    width, height = struct.unpack(">II", data[16:24])
    assert media_type == "image/png"
    assert data.startswith(PNG_SIGNATURE)
    assert (width, 500 < height < 1500) == (1500, True)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param({"bbox": [-120, 40, -119.9, 40.1], "resolution": 10}, id="one cell"),
        pytest.param({"bbox": [-120, 40, -70, 40.5], "resolution": 0.5}, id="one row"),
        pytest.param({"bbox": [-100, -90, -99, 90], "resolution": 1}, id="one column"),
        pytest.param({"bbox": [-180, 80, 180, 90], "resolution": 5}, id="around the pole"),
    ],
)
def test_a_map_can_be_drawn_of_any_box(
    processor: Any, recorded: RecordedJob, data: dict[str, Any]
) -> None:
    processor.execute(data, ["map"])
    assert recorded.outputs["map"][0].startswith(PNG_SIGNATURE)


def test_the_summary_agrees_with_the_field(example: ModuleType, processor: Any) -> None:
    media_type, summary = processor.execute(SMALL_BOX)
    grid = example.make_grid(tuple(SMALL_BOX["bbox"]), 0.25)
    longitudes, latitudes = np.meshgrid(grid.longitudes(), grid.latitudes())
    places = np.column_stack((longitudes.ravel(), latitudes.ravel()))
    expected = brute_force(example.read_airports(), *places.T)
    farthest = summary["farthest"]
    assert media_type == "application/json"
    assert (summary["airports"], summary["cells"]) == (3376, 32)
    assert (summary["bbox"], summary["resolution"]) == ([-106, 39, -104, 40], 0.25)
    assert summary["distance_km"] == {
        "maximum": pytest.approx(expected.max(), abs=1e-3),
        "mean": pytest.approx(expected.mean(), abs=1e-3),
        "median": pytest.approx(np.median(expected), abs=1e-3),
    }
    assert (farthest["longitude"], farthest["latitude"]) == tuple(places[expected.argmax()])
    assert summary["cells_beyond_100_km"] == np.count_nonzero(expected > 100)


def test_the_same_request_gives_the_same_bytes(
    example: ModuleType, processor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = RecordedJob(), RecordedJob()
    monkeypatch.setattr(example, "job", first)
    summary = processor.execute(SMALL_BOX)
    monkeypatch.setattr(example, "job", second)
    assert processor.execute(SMALL_BOX) == summary
    assert first.outputs == second.outputs


@pytest.mark.parametrize(
    ("outputs", "published", "media_type"),
    [
        (None, {"raster", "map"}, "application/json"),
        ({}, {"raster", "map"}, "application/json"),
        (["summary"], set(), "application/json"),
        (["raster"], {"raster"}, None),
        ({"map": {"transmissionMode": "reference"}, "summary": {}}, {"map"}, "application/json"),
    ],
)
def test_only_the_outputs_asked_for_are_made(
    processor: Any,
    recorded: RecordedJob,
    outputs: Any,
    published: set[str],
    media_type: str | None,
) -> None:
    answered, summary = processor.execute(SMALL_BOX, outputs)
    assert recorded.outputs.keys() == published
    assert answered == media_type
    assert (summary is None) == (media_type is None)


def test_an_unknown_output_is_refused(example: ModuleType, processor: Any) -> None:
    assert "'netcdf'" in refusal(example, processor, SMALL_BOX, ["netcdf"])


def test_only_the_airports_of_a_state_count_if_one_is_named(processor: Any) -> None:
    _, summary = processor.execute({**SMALL_BOX, "state": "HI"}, ["summary"])
    assert summary["airports"] == 16
    assert summary["distance_km"]["maximum"] > 5000


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"bbox": [-66, 24, -125, 50]}, "bbox: west must be less than east"),
        ({"bbox": [-66, 24, -66, 50]}, "bbox: west must be less than east"),
        ({"bbox": [-190, 24, -66, 50]}, "from -180 to 180, not -190 and -66"),
        ({"bbox": [-125, 50, -66, 24]}, "bbox: south must be less than north"),
        ({"bbox": [-125, 24, -66, 91]}, "from -90 to 90, not 24 and 91"),
        ({"bbox": [-125, 24, -66]}, "bbox: must be four numbers"),
        ({"bbox": "-125,24,-66,50"}, "bbox: must be four numbers"),
        ({"bbox": [-125, 24, -66, "50"]}, "bbox: must be four numbers"),
        ({"bbox": [-125, 24, -66, True]}, "bbox: must be four numbers"),
        ({"bbox": [-125, 24, -66, float("nan")]}, "bbox: must be four numbers"),
        ({"bbox": [-125, 24, -66, 10**400]}, "bbox: must be four numbers"),
        ({"resolution": 0}, "resolution: must be degrees above 0 and at most 10"),
        ({"resolution": -0.25}, "resolution: must be degrees above 0 and at most 10"),
        ({"resolution": float("nan")}, "resolution: must be degrees above 0 and at most 10"),
        ({"resolution": "0.25"}, "resolution: must be degrees above 0 and at most 10"),
        ({"resolution": 0.001}, "more than 4,000,000 cells"),
        ({"resolution": 5e-324}, "more than 4,000,000 cells"),
        ({"state": "ZZ"}, "state: no airport is listed for 'ZZ'"),
        ({"state": 7}, "state: no airport is listed for 7"),
    ],
)
def test_nonsense_is_refused_with_a_message_that_names_the_input(
    example: ModuleType,
    processor: Any,
    recorded: RecordedJob,
    data: dict[str, Any],
    message: str,
) -> None:
    assert message in refusal(example, processor, data)
    assert not recorded.steps


def test_progress_rises_to_the_end_and_names_the_rows(
    processor: Any, recorded: RecordedJob
) -> None:
    processor.execute({"bbox": [-106, 39, -104, 41], "resolution": 0.02})
    parts = [done / total for done, total, _ in recorded.steps]
    assert len(parts) == 42
    assert parts == sorted(set(parts))
    assert parts[-1] == 1
    assert recorded.steps[0][2] == "Rows 1-3 of 100"
    assert [message for _, _, message in recorded.steps[-3:]] == [
        "Rows 99-100 of 100",
        "Wrote the raster",
        "Wrote the map",
    ]


def test_a_dismissed_job_stops_after_the_block_it_is_at(
    example: ModuleType, processor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = RecordedJob(dismissed_after=2)
    monkeypatch.setattr(example, "job", job)
    assert "dismissed" in refusal(example, processor, SMALL_BOX)
    assert len(job.steps) == 2
    assert not job.outputs


def test_the_description_has_all_that_ogc_asks_for(example: ModuleType, processor: Any) -> None:
    description = processor.metadata
    assert description["jobControlOptions"] == ["sync-execute", "async-execute"]
    assert processor.supports_outputs
    assert set(description["outputs"]) == {"raster", "map", "summary"}
    for part in [*description["inputs"].values(), *description["outputs"].values()]:
        assert {"title", "description", "schema"} <= part.keys()


def test_the_example_request_of_the_description_runs(processor: Any) -> None:
    example_request = processor.metadata["example"]
    _, summary = processor.execute(example_request["inputs"], ["summary"])
    assert summary["cells"] == 236 * 104

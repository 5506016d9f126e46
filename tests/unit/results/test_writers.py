"""Objects of the field as results: written by their libraries, read by what others would use."""

import sys
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any

import geopandas
import numpy
import pandas
import pytest
import rasterio
import rasterio.vrt
import xarray
import zarr
from geopandas.testing import assert_geodataframe_equal
from matplotlib.figure import Figure
from PIL import Image
from rasterio.io import MemoryFile
from rasterio.transform import from_origin
from shapely.geometry import Point, Polygon

from pygeoapi_prefect.errors import ProcessorFailed
from pygeoapi_prefect.ogc.formats import Formats
from pygeoapi_prefect.results import writing
from pygeoapi_prefect.results.writing import GROUP, Writers

GEOJSON = "application/geo+json"
GEOPACKAGE = "application/geopackage+sqlite3"
PARQUET = "application/vnd.apache.parquet"
COG = "image/tiff; application=geotiff; profile=cloud-optimized"
NETCDF = "application/x-netcdf"
ZARR = "application/zarr+zip"


def written(
    value: Any,
    folder: Path,
    media_type: str | None = None,
    *,
    requested: str | None = None,
    declared: tuple[str, ...] = (),
) -> tuple[str, Path]:
    """Return the media type of what a value is written as, and a copy of the file."""
    formats = Formats(requested=requested, declared=declared)
    with Writers().written(value, "map", media_type, formats) as file:
        assert Writers().know(value)
        copy = folder / "copy"
        copy.write_bytes(file.path.read_bytes())
    assert not file.path.exists()
    return file.media_type, copy


# ---- xarray


@pytest.fixture
def dataset() -> xarray.Dataset:
    times = pandas.date_range("1990-01-01", periods=3, freq="MS", name="time")
    return xarray.Dataset(
        {"temperature": (("time", "latitude"), numpy.arange(6.0).reshape(3, 2), {"units": "K"})},
        {"time": times, "latitude": [59.5, 60.5]},
        {"title": "Monthly means"},
    )


@pytest.mark.parametrize("media_type", [None, NETCDF, "application/netcdf", "APPLICATION/X-NetCDF"])
def test_a_dataset_is_netcdf(
    dataset: xarray.Dataset, tmp_path: Path, media_type: str | None
) -> None:
    told, path = written(dataset, tmp_path, media_type)
    assert told == ("application/netcdf" if media_type == "application/netcdf" else NETCDF)
    with xarray.open_dataset(path) as again:
        xarray.testing.assert_identical(again, dataset)


@pytest.mark.parametrize("media_type", [ZARR, "application/zip"])
def test_a_dataset_is_zarr_in_one_file(
    dataset: xarray.Dataset, tmp_path: Path, media_type: str
) -> None:
    told, path = written(dataset, tmp_path, media_type)
    assert told == media_type
    with zarr.storage.ZipStore(path, mode="r") as store:
        xarray.testing.assert_identical(xarray.open_zarr(store).load(), dataset)
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        assert {each.compress_type for each in archive.infolist()} == {zipfile.ZIP_STORED}
    assert len(names) == len(set(names))


@pytest.mark.parametrize("media_type", [NETCDF, ZARR])
def test_an_array_is_a_dataset_of_one(
    dataset: xarray.Dataset, tmp_path: Path, media_type: str
) -> None:
    _, path = written(dataset["temperature"], tmp_path, media_type)
    engine = "zarr" if media_type == ZARR else "netcdf4"
    source = zarr.storage.ZipStore(path, mode="r") if media_type == ZARR else path
    with xarray.open_dataset(source, engine=engine) as again:
        xarray.testing.assert_identical(again["temperature"].load(), dataset["temperature"])


def test_an_array_without_a_name_is_netcdf_too(tmp_path: Path) -> None:
    _, path = written(xarray.DataArray([1, 2]), tmp_path)
    with xarray.open_dataarray(path) as again:
        assert again.values.tolist() == [1, 2]


# ---- geopandas and pandas


@pytest.fixture
def stations() -> geopandas.GeoDataFrame:
    return geopandas.GeoDataFrame(
        {
            "name": ["Ås", "Bergen"],
            "height": [93.5, float("nan")],
            "since": pandas.to_datetime(["1874-01-01", "1904-05-02"]),
        },
        geometry=[Point(600000, 6615000), Point(297000, 6700000)],
        crs="EPSG:32632",
    )


@pytest.mark.parametrize("media_type", [None, GEOJSON])
def test_geojson_is_in_longitude_and_latitude(
    stations: geopandas.GeoDataFrame, tmp_path: Path, media_type: str | None
) -> None:
    told, path = written(stations, tmp_path, media_type)
    assert told == GEOJSON
    again = geopandas.read_file(path)
    assert again.crs == "EPSG:4326"
    assert again["name"].tolist() == ["Ås", "Bergen"]
    assert again["height"].isna().tolist() == [False, True]
    expected = stations.to_crs("EPSG:4326")
    assert again.geometry.geom_equals_exact(expected.geometry, tolerance=1e-7).all()


def test_rings_of_geojson_turn_as_they_have_to(tmp_path: Path) -> None:
    clockwise = Polygon([(0, 0), (0, 1), (1, 1), (1, 0)])
    frame = geopandas.GeoDataFrame(geometry=[clockwise], crs="EPSG:4326")
    _, path = written(frame, tmp_path)
    (polygon,) = geopandas.read_file(path).geometry
    assert polygon.exterior.is_ccw  # RFC 7946, 3.1.6


def test_an_empty_frame_is_geojson_without_features(
    stations: geopandas.GeoDataFrame, tmp_path: Path
) -> None:
    _, path = written(stations.iloc[:0], tmp_path)
    assert len(geopandas.read_file(path)) == 0


def test_coordinates_of_which_nobody_knows_what_they_are_are_no_geojson(
    stations: geopandas.GeoDataFrame, tmp_path: Path
) -> None:
    nowhere = stations.set_crs(None, allow_override=True)
    with pytest.raises(ProcessorFailed, match=r"'map'.*geo.json: .*frame.set_crs"):
        written(nowhere, tmp_path)


def test_a_geopackage_keeps_coordinates_and_has_one_layer_of_the_name_of_the_output(
    stations: geopandas.GeoDataFrame, tmp_path: Path
) -> None:
    told, path = written(stations, tmp_path, GEOPACKAGE)
    assert told == GEOPACKAGE
    named = path.rename(tmp_path / "stations.gpkg")
    assert geopandas.list_layers(named)["name"].tolist() == ["map"]
    again = geopandas.read_file(named)
    assert again.crs == stations.crs
    assert_geodataframe_equal(again, stations, check_dtype=False)


def test_geoparquet_keeps_all(stations: geopandas.GeoDataFrame, tmp_path: Path) -> None:
    told, path = written(stations, tmp_path, PARQUET)
    assert told == PARQUET
    assert_geodataframe_equal(geopandas.read_parquet(path), stations)


def test_a_frame_with_geometries_is_a_table_as_well(
    stations: geopandas.GeoDataFrame, tmp_path: Path
) -> None:
    told, path = written(stations, tmp_path, "text/csv")
    assert told == "text/csv"
    again = geopandas.GeoSeries.from_wkt(pandas.read_csv(path)["geometry"], crs=stations.crs)
    assert again.geom_equals(stations.geometry).all()


class Stations(geopandas.GeoDataFrame):
    """Somebody's own kind of frame."""


def test_what_is_made_of_a_known_class_is_known(
    stations: geopandas.GeoDataFrame, tmp_path: Path
) -> None:
    told, path = written(Stations(stations), tmp_path)
    assert (told, len(geopandas.read_file(path))) == (GEOJSON, 2)


@pytest.fixture
def table() -> pandas.DataFrame:
    return pandas.DataFrame({"month": ["1990-01", "1990-02"], "mean": [1.5, -2.25]})


@pytest.mark.parametrize("media_type", [None, "text/csv", "text/csv; charset=utf-8"])
def test_a_table_is_csv(table: pandas.DataFrame, tmp_path: Path, media_type: str | None) -> None:
    told, path = written(table, tmp_path, media_type)
    assert told == "text/csv"
    pandas.testing.assert_frame_equal(pandas.read_csv(path), table)


def test_csv_has_an_index_that_says_something(table: pandas.DataFrame, tmp_path: Path) -> None:
    _, path = written(table.set_index("month"), tmp_path)
    pandas.testing.assert_frame_equal(pandas.read_csv(path), table)


def test_a_table_is_parquet(table: pandas.DataFrame, tmp_path: Path) -> None:
    told, path = written(table, tmp_path, PARQUET)
    assert told == PARQUET
    pandas.testing.assert_frame_equal(pandas.read_parquet(path), table)


# ---- rasters


HEIGHTS = numpy.arange(60_000, dtype="float32").reshape(1, 200, 300)


@pytest.fixture
def raster(tmp_path: Path) -> Path:
    path = tmp_path / "heights.tif"
    profile: dict[str, Any] = {"count": 1, "width": 300, "height": 200, "dtype": "float32"}
    place = {"crs": "EPSG:32632", "transform": from_origin(500000, 6600000, 10, 10)}
    with rasterio.open(path, "w", driver="GTiff", **profile, **place) as target:
        target.write(HEIGHTS)
    return path


def assert_is_cloud_optimized(path: Path, crs: str = "EPSG:32632") -> None:
    with rasterio.open(path) as again:
        assert again.crs == crs
        assert again.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        if crs == "EPSG:32632":
            numpy.testing.assert_array_equal(again.read(), HEIGHTS)


@pytest.mark.parametrize("media_type", [None, "image/tiff; application=geotiff", COG])
def test_an_open_raster_is_cloud_optimized(
    raster: Path, tmp_path: Path, media_type: str | None
) -> None:
    with rasterio.open(raster) as dataset:
        told, path = written(dataset, tmp_path, media_type)
    assert told == COG
    assert_is_cloud_optimized(path)


def test_a_raster_that_is_being_written_in_memory_is_cloud_optimized(
    raster: Path, tmp_path: Path
) -> None:
    with rasterio.open(raster) as dataset:
        profile = dataset.profile
    with MemoryFile() as memory, memory.open(**profile) as dataset:
        dataset.write(HEIGHTS)
        _, path = written(dataset, tmp_path)
    assert_is_cloud_optimized(path)


def test_a_warped_raster_is_cloud_optimized(raster: Path, tmp_path: Path) -> None:
    with rasterio.open(raster) as dataset:
        with rasterio.vrt.WarpedVRT(dataset, crs="EPSG:3857") as warped:
            _, path = written(warped, tmp_path)
    assert_is_cloud_optimized(path, "EPSG:3857")


def test_a_closed_raster_is_told_of(raster: Path, tmp_path: Path) -> None:
    with rasterio.open(raster) as dataset:
        pass
    with pytest.raises(ProcessorFailed, match="is closed; return it before its `with` block ends"):
        written(dataset, tmp_path)


# ---- pictures


def figure() -> Figure:
    figure = Figure(figsize=(3, 2), dpi=100)
    figure.add_subplot().plot([1, 3, 2])
    return figure


@pytest.mark.parametrize("media_type", [None, "image/png"])
def test_a_figure_is_png(tmp_path: Path, media_type: str | None) -> None:
    told, path = written(figure(), tmp_path, media_type)
    with Image.open(path) as again:
        assert (told, again.format, again.size) == ("image/png", "PNG", (300, 200))


@pytest.mark.parametrize(
    ("media_type", "start"), [("image/svg+xml", b"<?xml"), ("application/pdf", b"%PDF")]
)
def test_a_figure_can_be_drawn_in_lines(tmp_path: Path, media_type: str, start: bytes) -> None:
    told, path = written(figure(), tmp_path, media_type)
    assert told == media_type
    assert path.read_bytes().startswith(start)


@pytest.mark.parametrize(
    ("media_type", "name"), [(None, "PNG"), ("image/png", "PNG"), ("image/jpeg", "JPEG")]
)
def test_an_image_is_png_or_jpeg(tmp_path: Path, media_type: str | None, name: str) -> None:
    told, path = written(Image.new("RGB", (4, 3), "red"), tmp_path, media_type)
    with Image.open(path) as again:
        assert (told, again.format) == (f"image/{name.lower()}", name)
        assert again.size == (4, 3)


def test_an_image_read_from_a_file_is_one(tmp_path: Path) -> None:
    Image.new("L", (4, 3)).save(tmp_path / "image.gif")
    with Image.open(tmp_path / "image.gif") as image:
        assert written(image, tmp_path)[0] == "image/png"


def test_what_the_library_cannot_write_is_told_in_its_words(tmp_path: Path) -> None:
    expected = (
        "'map', an object of PIL.Image.Image, cannot be written as image/png: OSError: .*CMYK"
    )
    with pytest.raises(ProcessorFailed, match=expected) as caught:
        written(Image.new("CMYK", (4, 3)), tmp_path)
    assert isinstance(caught.value.__cause__, OSError)
    assert not caught.value.is_final


# ---- which format


def test_what_the_client_asked_for_comes_before_what_is_declared(
    table: pandas.DataFrame, tmp_path: Path
) -> None:
    told, _ = written(table, tmp_path, requested=PARQUET, declared=("text/csv",))
    assert told == PARQUET


def test_what_the_code_says_comes_before_what_the_client_asked_for(
    table: pandas.DataFrame, tmp_path: Path
) -> None:
    assert written(table, tmp_path, "text/csv", requested=PARQUET)[0] == "text/csv"


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ((PARQUET, "text/csv"), PARQUET),
        (("application/json", "TEXT/CSV; header=present", PARQUET), "text/csv"),
        (("application/json",), "text/csv"),
    ],
)
def test_the_first_declared_format_that_can_be_written_comes_next(
    table: pandas.DataFrame, tmp_path: Path, declared: tuple[str, ...], expected: str
) -> None:
    assert written(table, tmp_path, declared=declared)[0] == expected


@pytest.mark.parametrize(
    ("options", "who"),
    [
        ({"requested": "image/png"}, ", which was asked for"),
        ({"media_type": "image/png"}, ""),
    ],
)
def test_a_format_that_nobody_can_write_is_told_with_those_that_there_are(
    table: pandas.DataFrame, tmp_path: Path, options: dict[str, Any], who: str
) -> None:
    expected = f"pandas.DataFrame, cannot be written as image/png{who}; it can be as text/csv, "
    with pytest.raises(ProcessorFailed, match=expected) as caught:
        written(table, tmp_path, **options)
    assert caught.value.is_final


# ---- who writes


class Grid:
    """An object of somebody's library."""


class Packed:
    """A writer of somebody's library."""

    media_types = ("application/x-grid", "text/plain")

    def write(self, value: Grid, media_type: str, path: Path) -> None:
        path.write_text(f"{type(value).__name__} as {media_type}")


class Forgetful(Packed):
    """A writer that writes nothing."""

    def write(self, value: Grid, media_type: str, path: Path) -> None:
        pass


class Full(Packed):
    """A writer on a disk that is full."""

    def write(self, value: Grid, media_type: str, path: Path) -> None:
        raise OSError(28, "No space left on device", str(path))


class Unequipped(Packed):
    """A writer whose engine is not installed."""

    def write(self, value: Grid, media_type: str, path: Path) -> None:
        raise ModuleNotFoundError("No module named 'grid_engine'", name="grid_engine")


PACKED, FORGETFUL, FULL, UNEQUIPPED, NOTHING = Packed(), Forgetful(), Full(), Unequipped(), object()

Install = Callable[..., None]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install writers besides ours, by type."""

    def install(**values: str) -> None:
        ours = writing.entry_points(group=GROUP)
        more = [
            EntryPoint(f"{name}.{kind}", value, GROUP)
            for kind, value in values.items()
            for name in [pandas.__name__ if kind == "DataFrame" else __name__]
        ]
        installed = EntryPoints([*ours, *more])
        monkeypatch.setattr(writing, "entry_points", lambda group: installed.select(group=group))

    return install


def test_a_package_may_bring_a_writer_of_its_own(install: Install, tmp_path: Path) -> None:
    assert not Writers().know(Grid())
    install(Grid=f"{__name__}:PACKED")
    told, path = written(Grid(), tmp_path, requested="text/plain")
    assert (told, path.read_text()) == ("text/plain", "Grid as text/plain")
    assert f"{__name__}.Grid" in Writers().names


def test_a_package_may_write_a_known_type_in_its_own_way(
    install: Install, table: pandas.DataFrame, tmp_path: Path
) -> None:
    install(DataFrame=f"{__name__}:PACKED")
    assert written(table, tmp_path)[0] == "application/x-grid"
    assert written(table, tmp_path, PARQUET)[0] == PARQUET


def test_a_class_of_the_same_name_elsewhere_is_not_meant(install: Install) -> None:
    install(Grid=f"{__name__}:PACKED")
    elsewhere = type("Grid", (), {"__module__": f"{__name__}.more"})
    assert not Writers().know(elsewhere())


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("no_such_package:WRITER", "cannot be loaded: .*Install the package that has 'no_such_pac"),
        (f"{__name__}:NO_SUCH_NAME", "cannot be loaded: AttributeError"),
        (f"{__name__}:NOTHING", "needs `media_types` and `write"),
        (f"{__name__}:FORGETFUL", "application/x-grid: there is no file"),
        (f"{__name__}:FULL", "No space left on device: 'map'"),
        (f"{__name__}:UNEQUIPPED", "as application/x-grid: .*the package that has 'grid_engine'"),
    ],
)
def test_a_writer_that_does_not_work_is_told_with_the_type_and_what_to_do(
    install: Install, tmp_path: Path, value: str, expected: str
) -> None:
    install(Grid=value)
    with pytest.raises(ProcessorFailed, match=rf"{__name__}\.Grid, .*{expected}"):
        written(Grid(), tmp_path)


@pytest.mark.parametrize(
    ("missing", "media_type"), [(("netCDF4", "h5netcdf"), NETCDF), (("zarr",), ZARR)]
)
def test_an_engine_of_xarray_that_is_not_installed_is_named(
    dataset: xarray.Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    missing: tuple[str, ...],
    media_type: str,
) -> None:
    for name in missing:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ProcessorFailed, match=f"{missing[0]}.* where jobs run") as caught:
        written(dataset, tmp_path, media_type)
    assert caught.value.is_final


@pytest.mark.parametrize("kind", ["table", "stations"])
def test_the_engine_of_parquet_that_is_not_installed_is_named(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    value = request.getfixturevalue(kind)  # which uses pyarrow itself, where it is there
    for name in ("pyarrow", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ProcessorFailed, match=r"apache.parquet: .*pyarrow.* where jobs run"):
        written(value, tmp_path, PARQUET)


# ---- who does not


@pytest.mark.parametrize("value", [None, 1, "text", b"bytes", {"a": 1}, [1], Path(), object()])
def test_what_is_no_object_of_the_field_is_not_known(value: Any) -> None:
    assert not Writers().know(value)


def test_nobody_is_asked_about_what_python_itself_has(monkeypatch: pytest.MonkeyPatch) -> None:
    def entry_points(group: str) -> EntryPoints:
        raise AssertionError("this takes as long as there are packages")

    monkeypatch.setattr(writing, "entry_points", entry_points)
    values = [None, True, 1.5, "text", b"", {}, [], (), Path("x"), datetime.now(UTC), Decimal(1)]
    assert not any(map(Writers().know, values))

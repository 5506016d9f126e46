"""A plain function that becomes a process; see `processes/distance.yml` and `own_api.py`."""

from typing import Annotated

from pydantic import Field
from pyproj import Geod

Longitude = Annotated[float, Field(ge=-180, le=180)]
Latitude = Annotated[float, Field(ge=-90, le=90)]

WGS84 = Geod(ellps="WGS84")


def distance(
    from_lon: Longitude, from_lat: Latitude, to_lon: Longitude, to_lat: Latitude
) -> dict[str, float]:
    """Measure the shortest way between two places on the ellipsoid.

    Args:
        from_lon: Longitude of the first place in degrees.
        from_lat: Latitude of the first place in degrees.
        to_lon: Longitude of the second place in degrees.
        to_lat: Latitude of the second place in degrees.

    Returns:
        Its length in kilometres, and the direction in which it begins, in degrees from north.
    """
    azimuth, _, metres = WGS84.inv(from_lon, from_lat, to_lon, to_lat)
    return {"kilometres": round(metres / 1000, 3), "direction": round(azimuth % 360, 3)}

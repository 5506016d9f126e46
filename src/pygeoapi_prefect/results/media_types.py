"""What is known of media types: what bytes of one hold, and how one is written into a header."""

import mimetypes
import re
from pathlib import PurePath
from urllib.parse import quote

from pygeoapi_prefect.ogc.formats import essence
from pygeoapi_prefect.results.manifest import Kind, Manifest

JSON = "application/json"
MULTIPART = "multipart/related"
TEXT = "text/plain"
BINARY = "application/octet-stream"
DEFAULT_OF_KIND = {Kind.JSON: JSON, Kind.TEXT: TEXT, Kind.BINARY: BINARY}
# RFC 9110, 8.3.1, with any printable characters in the values of parameters. Space is written out:
# `\s` would take the line breaks that must not pass.
_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_MEDIA_TYPE = re.compile(rf"{_NAME}/{_NAME}([ \t]*;[ \t]*[\x20-\x7e]*)?")
# RFC 6838, 4.2.7: the top-level types that are registered.
_OF_REGISTERED_TYPE = re.compile(
    r"(application|audio|font|image|message|model|multipart|text|video)/[\w.+-]+(\s*;.*)?"
)

# What the web uses and Python does not know, or knows by another name.
_SUFFIXES = {
    "application/geo+json": ".geojson",
    "application/geopackage+sqlite3": ".gpkg",
    "application/netcdf": ".nc",
    "application/vnd.apache.parquet": ".parquet",
    "application/x-netcdf": ".nc",
    "application/xml": ".xml",
    "application/yaml": ".yaml",
    "image/tiff": ".tif",
}
# Python's own table: what the machine has besides differs from one to the next.
_KNOWN = mimetypes.MimeTypes()
# RFC 6838, 4.2.8: the suffix of a media type names the format that it is written in.
_OF_STRUCTURE = re.compile(r"\+(json|xml|yaml|zip)$")
_SUFFIX_OF_KIND = {Kind.JSON: ".json", Kind.TEXT: ".txt", Kind.BINARY: ".bin"}


def kind_of(media_type: str) -> Kind:
    """Return what bytes of a media type hold, by its name."""
    name = essence(media_type)
    if name == JSON or name.endswith("+json"):
        return Kind.JSON
    if name.startswith("text/") or name.endswith(("/xml", "+xml")):
        return Kind.TEXT
    return Kind.BINARY


def guessed(path: PurePath) -> str:
    """Return the media type of a file by its name."""
    return mimetypes.guess_type(path.name)[0] or BINARY


def suffix_of(media_type: str) -> str:
    """Return what the name of a file of a media type ends with, such as `.png`."""
    essence = media_type.partition(";")[0].strip().lower()
    found = _SUFFIXES.get(essence) or _KNOWN.guess_extension(essence)
    if found is None and (structured := _OF_STRUCTURE.search(essence)):
        found = f".{structured[1]}"
    return found or _SUFFIX_OF_KIND[kind_of(media_type)]


def in_header(media_type: str) -> str:
    """Return a media type as it may stand in a header.

    What is none, such as one with a line break that would begin another header, is sent as bytes of
    no known type: the output itself is as good as ever.
    """
    return media_type if _MEDIA_TYPE.fullmatch(media_type) else BINARY


def is_surely(text: str) -> bool:
    """Return whether a text is a media type that stands there on purpose, and no path of a file."""
    return _OF_REGISTERED_TYPE.fullmatch(text) is not None


def content_id(output_id: str) -> str:
    """Return an output's id as it may stand in the header Content-ID (RFC 2392)."""
    return f"<{quote(output_id, safe="!$&'()*+,;=:@/~")}>"


def media_type_of_results(manifest: Manifest) -> str:
    """Return the media type in which the results of a job are delivered.

    Status documents announce it, and `deliver` keeps to it.
    """
    outputs = manifest.selected
    if manifest.as_document or not outputs or _are_links(manifest):
        return JSON
    if len(outputs) == 1 and not (outputs[0].members_are_outputs and manifest.by_reference):
        return in_header(outputs[0].media_type)
    return MULTIPART


def _are_links(manifest: Manifest) -> bool:
    """Return whether every output that was asked for is delivered as a link."""
    if manifest.service_url is None:
        return False
    wanted: set[str] = set()
    for output in manifest.selected:
        if output.members_are_outputs:
            if not manifest.requested:
                return False  # only its content says which there are
            wanted |= set(manifest.requested)
        else:
            wanted.add(output.id)
    return wanted <= set(manifest.by_reference)

"""Pages of lists: how long they are, and where the next one is."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Query

from pygeoapi_prefect.errors import InvalidRequest
from pygeoapi_prefect.faces.asgi.face import Site, link, with_query

# OGC 18-062r2, 7.10: a limit is at least 1. The longest list is the site's to say.
Limit = Annotated[int | None, Query(ge=1, description="How many at most")]
Offset = Annotated[int, Query(ge=0, le=2**31 - 1, description="How many to leave out")]


def page_size(site: Site, limit: int | None) -> int:
    """Return how many a page has for a client that wants so many.

    Raises:
        InvalidRequest: it wants more than it may, and the site refuses that.
    """
    if limit is None:
        return site.default_items
    if limit > site.max_items and site.refuses_more:
        raise InvalidRequest(f"limit must be {site.max_items} at most.")
    return min(limit, site.max_items)


def page_links(
    url: str,
    query: Mapping[str, Any],
    limit: int | None,
    offset: int,
    size: int,
    next_offset: int | None,
) -> list[dict[str, str]]:
    """Return the links of a page: to itself, as HTML, to the one before and the one after.

    Args:
        url: of the list.
        query: the parameters that choose what is in it.
        limit: as the client gave it.
        offset: how many come before this page.
        size: how many one page has.
        next_offset: where the next page begins, None if there is none.
    """
    here = {**query, "limit": limit, "offset": offset or None}
    links = [
        link(with_query(url, here), "self", "This page"),
        link(with_query(url, {**here, "f": "html"}), "alternate", "This page as HTML", "text/html"),
    ]
    if offset:
        before = {**here, "limit": size, "offset": max(0, offset - size) or None}
        links.append(link(with_query(url, before), "prev", "The page before"))
    if next_offset is not None:
        after = {**here, "limit": size, "offset": next_offset}
        links.append(link(with_query(url, after), "next", "The next page"))
    return links

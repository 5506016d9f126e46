"""Results in the form in which pygeoapi sends them on unchanged."""

import json
from typing import Any

from pygeoapi_prefect.faces.pygeoapi.exchange import Exchange
from pygeoapi_prefect.results.delivery import Delivery
from pygeoapi_prefect.results.media_types import JSON
from pygeoapi_prefect.results.streams import Stream

# JSON that is ready to be sent carries this media type from the manager through pygeoapi, which
# re-encodes whatever is called exactly `application/json`.
READY_JSON = f"{JSON}; charset=utf-8"


def for_pygeoapi(delivery: Delivery, exchange: Exchange) -> tuple[str, Any]:
    """Return media type and content of a delivery so that pygeoapi sends it as it is."""
    exchange.delivery = delivery
    if exchange.html and delivery.items:
        # A browser does not know what to do with several things in one body.
        return JSON, {
            item.output_id: {"href": item.href, "type": item.media_type} for item in delivery.items
        }
    if delivery.media_type != JSON:
        return delivery.media_type, delivery.body
    # pygeoapi encodes the value itself, or makes a page of it; of a stream it makes none.
    if exchange.html and not isinstance(delivery.body, Stream):
        return JSON, json.loads(delivery.body)
    return READY_JSON, delivery.body

"""Schemas of descriptions in the dialect that the standard has: that of OpenAPI 3.0.

JSON Schema 2020-12, which pydantic and many authors write, says some things otherwise (`null` is a
type, exclusive limits are numbers) and others that OpenAPI 3.0 has no word for.
"""

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

from pygeoapi_prefect.json_text import finite

_KINDS = ("inputs", "outputs")
# What there is no word for is left out: a client is told less, and the check of inputs knows more.
_UNKNOWN = frozenset(
    "$anchor $comment $defs $dynamicAnchor $dynamicRef $id $schema $vocabulary additionalItems "
    "contains definitions dependencies dependentRequired dependentSchemas else examples if "
    "maxContains minContains patternProperties position prefixItems propertyNames then "
    "unevaluatedItems unevaluatedProperties".split()
)
_LIMITS = (("exclusiveMinimum", "minimum", max), ("exclusiveMaximum", "maximum", min))


def in_openapi(description: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of a process description with its schemas in the dialect of OpenAPI 3.0.

    What is no schema, and words that neither dialect knows, stay as they are.

    Source:
        OGC 18-062r2, schema.yaml; OpenAPI 3.0.3, Schema Object.
    """
    copy: dict[str, Any] = finite(deepcopy(dict(description)))
    for kind in _KINDS:
        declared = copy.get(kind)
        if isinstance(declared, Mapping):
            for each in declared.values():
                if isinstance(each, dict) and isinstance(each.get("schema"), Mapping):
                    each["schema"] = translated(each["schema"])
    return copy


def translated(schema: Mapping[str, Any]) -> Any:
    """Return a schema in the dialect of OpenAPI 3.0; words that neither knows stay as they are."""
    return _Translation(schema).of(schema)


class _Translation:
    """The translation of a schema and of what it refers to in itself."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root

    def of(self, schema: Any, inside: tuple[str, ...] = ()) -> Any:
        """Translate a schema that was met inside some references."""
        if isinstance(schema, bool):
            return {} if schema else {"not": {}}
        if not isinstance(schema, Mapping):
            return schema
        reference = schema.get("$ref")
        if isinstance(reference, str):
            return self._of_reference(reference, schema, inside)
        found: dict[str, Any] = {
            keyword: self._of_keyword(keyword, value, inside)
            for keyword, value in schema.items()
            if keyword not in _UNKNOWN
        }
        if "patternProperties" in schema:
            # Of the others it cannot be said any more which they are.
            found.pop("additionalProperties", None)
        _translate_items(schema, found)
        _translate_constant(schema, found)
        _translate_limits(found)
        return _without_null(found)

    def _of_reference(
        self, reference: str, schema: Mapping[str, Any], inside: tuple[str, ...]
    ) -> Any:
        if not reference.startswith("#"):
            return {"$ref": reference}
        target = self._target(reference)
        if reference in inside or target is None:
            return {}  # it has no end, or no beginning
        around = {keyword: value for keyword, value in schema.items() if keyword != "$ref"}
        return self.of({**target, **around}, (*inside, reference))

    def _target(self, reference: str) -> Mapping[str, Any] | None:
        found: Any = self._root
        for name in reference[1:].split("/")[1:]:
            name = name.replace("~1", "/").replace("~0", "~")
            found = found.get(name) if isinstance(found, Mapping) else None
        return found if isinstance(found, Mapping) else None

    def _of_keyword(self, keyword: str, value: Any, inside: tuple[str, ...]) -> Any:
        if keyword in ("allOf", "anyOf", "oneOf") and isinstance(value, list | tuple):
            return [self.of(each, inside) for each in value]
        if keyword == "properties" and isinstance(value, Mapping):
            return {name: self.of(each, inside) for name, each in value.items()}
        if keyword in ("items", "not"):
            return self.of(value, inside)
        if keyword == "additionalProperties" and not isinstance(value, bool):
            return self.of(value, inside)
        return value


def _translate_items(schema: Mapping[str, Any], translated: dict[str, Any]) -> None:
    is_array = schema.get("type") == "array" or "prefixItems" in schema
    has_one_for_each = isinstance(schema.get("items"), Mapping) and "prefixItems" not in schema
    if is_array and not has_one_for_each:
        translated["items"] = {}  # OpenAPI demands a schema of items, and knows but one for all


def _translate_constant(schema: Mapping[str, Any], translated: dict[str, Any]) -> None:
    if "const" in schema:
        translated.setdefault("enum", [translated.pop("const")])
        translated.pop("const", None)
    examples = schema.get("examples")
    if isinstance(examples, list) and examples:
        translated.setdefault("example", examples[0])


def _translate_limits(translated: dict[str, Any]) -> None:
    for exclusive, inclusive, stricter in _LIMITS:
        limit, other = translated.get(exclusive), translated.get(inclusive)
        if isinstance(limit, bool) or not isinstance(limit, int | float):
            continue
        if isinstance(other, int | float) and _is_stricter(stricter, other, limit):
            del translated[exclusive]
        else:
            translated |= {inclusive: limit, exclusive: True}


def _is_stricter(stricter: Callable[..., Any], other: float, limit: float) -> bool:
    return other != limit and bool(stricter(other, limit) == other)


def _without_null(translated: dict[str, Any]) -> dict[str, Any]:
    """Say `nullable` where null is a type or an alternative."""
    translated = _without_type_null(translated)
    for keyword in ("anyOf", "oneOf"):
        alternatives = translated.get(keyword)
        if not isinstance(alternatives, list):
            continue
        others = [each for each in alternatives if each != _NULL]
        if len(others) < len(alternatives) or any(map(_is_nullable, others)):
            translated["nullable"] = True
            others = [_not_nullable(each) for each in others]
        if len(others) == 1 and not others[0].keys() & translated.keys():
            del translated[keyword]
            translated |= others[0]
        elif others:
            translated[keyword] = others
        else:
            del translated[keyword]
    return translated


# What a schema becomes that accepts nothing but null.
_NULL = {"enum": [None], "nullable": True}


def _without_type_null(translated: dict[str, Any]) -> dict[str, Any]:
    written = translated.get("type")
    types = list(written) if isinstance(written, list | tuple) else [written]
    if written is None or (not isinstance(written, list | tuple) and written != "null"):
        return translated
    others = [kind for kind in types if kind != "null"]
    if not others:
        return dict(_NULL)
    about = {keyword: value for keyword, value in translated.items() if keyword != "type"}
    if len(others) < len(types):
        about["nullable"] = True
    if len(others) == 1:
        return {"type": others[0], **about}
    alternatives: list[dict[str, Any]] = [
        {"type": kind, **({"items": {}} if kind == "array" else {})} for kind in others
    ]
    if "anyOf" in about:
        return about  # both cannot be said in one word
    return {"anyOf": alternatives, **about}


def _is_nullable(schema: Any) -> bool:
    return isinstance(schema, Mapping) and schema.get("nullable") is True


def _not_nullable(schema: dict[str, Any]) -> dict[str, Any]:
    return {keyword: value for keyword, value in schema.items() if keyword != "nullable"}

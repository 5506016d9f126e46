"""Builds pygeoapi configurations for tests."""

from pathlib import Path
from typing import Any

import yaml

PROCESSORS = {
    "echo": "EchoProcessor",
    "other-echo": "OtherEchoProcessor",
    "typed": "TypedProcessor",
    "kinds": "KindsProcessor",
    "several": "SeveralProcessor",
    "large": "LargeProcessor",
    "failing": "FailingProcessor",
    "slow": "SlowProcessor",
    "waiting": "WaitingProcessor",
    "talkative": "TalkativeProcessor",
    "random": "RandomProcessor",
    "mark": "MarkProcessor",
    "only-async": "OnlyAsyncProcessor",
}
FUNCTIONS = ("summarize", "drawn")


def resources() -> dict[str, Any]:
    """Return process resources for pygeoapi's own hello-world and all processors for tests."""
    ours = {
        name: {
            "type": "process",
            "processor": {"name": f"tests.support.processors.{class_name}"},
        }
        for name, class_name in PROCESSORS.items()
    }
    functions = {
        name: {
            "type": "process",
            "processor": {"function": f"tests.support.functions.{name}"},
        }
        for name in FUNCTIONS
    }
    hello = {"type": "process", "processor": {"name": "HelloWorld"}}
    return {"hello-world": hello, **ours, **functions}


def configuration(
    port: int, manager: dict[str, Any], processes: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Return a complete pygeoapi configuration, with more processes than those of all tests."""
    contact = dict.fromkeys(
        "name position address city stateorprovince postalcode country phone fax hours "
        "instructions role".split(),
        "-",
    )
    url = "https://example.org"
    return {
        "server": {
            "bind": {"host": "127.0.0.1", "port": port},
            "url": f"http://127.0.0.1:{port}",
            "mimetype": "application/json; charset=UTF-8",
            "encoding": "utf-8",
            "gzip": False,
            "languages": ["en-US"],
            "pretty_print": False,
            "limits": {"default_items": 20, "max_items": 500},
            "map": {"url": f"{url}/{{z}}/{{x}}/{{y}}.png", "attribution": "none"},
            "manager": manager,
        },
        "logging": {"level": "ERROR"},
        "metadata": {
            "identification": {
                "title": "Test",
                "description": "Test",
                "keywords": ["test"],
                "keywords_type": "theme",
                "terms_of_service": url,
                "url": url,
            },
            "license": {"name": "MIT", "url": url},
            "provider": {"name": "Test", "url": url},
            "contact": {**contact, "email": "test@example.org", "url": url},
        },
        "resources": _known_to(manager) | (processes or {}),
    }


def _known_to(manager: dict[str, Any]) -> dict[str, Any]:
    """Return the processes of all tests that a manager can run: others than ours no functions."""
    is_ours = str(manager.get("name", "")).startswith("pygeoapi_prefect.")
    return {
        process_id: resource
        for process_id, resource in resources().items()
        if is_ours or "name" in resource["processor"]
    }


def prefect_manager(folder: Path, **more: Any) -> dict[str, Any]:
    """Return the manager section of an embedded Prefect in a folder."""
    return {
        "name": "pygeoapi_prefect.PrefectManager",
        "connection": str(folder / "state"),
        "output_dir": str(folder / "results"),
        **more,
    }


def write_configuration(path: Path, content: dict[str, Any]) -> Path:
    """Write a configuration and return its path."""
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return path

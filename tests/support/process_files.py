"""Process files, as an editor writes them."""

import json
from pathlib import Path
from typing import Any


def put(folder: Path, process_id: str, **keys: Any) -> Path:
    """Write the file of a process whose function greets: it appears whole. JSON is YAML."""
    function = "tests.support.process_functions.greet"
    draft = folder / f".{process_id}.draft"
    draft.write_text(json.dumps({"id": process_id, "execution_function": function, **keys}))
    return draft.rename(folder / f"{process_id}.yml")

"""Which service this is: what tells the services of a machine apart.

A service is its configuration file. The file may change, and more processes may use it; another
file is another service. An API that is made without a file is known by the folder it runs in.
"""

import hashlib
import os
import re
from pathlib import Path

# Set where pygeoapi reads a copy of the configuration file.
ENVIRONMENT_VARIABLE = "PYGEOAPI_PREFECT_SERVICE"
# pygeoapi's own.
_CONFIGURATION_VARIABLE = "PYGEOAPI_CONFIG"


def service_of(file: Path) -> str:
    """Return the name of the service that a configuration file makes.

    Links are not followed: where configurations are mounted, they lead elsewhere after each change.
    """
    return os.path.abspath(file.expanduser())


def this_service() -> str:
    """Return the name of the service that this process belongs to, by its environment."""
    named = os.environ.get(ENVIRONMENT_VARIABLE)
    return named or service_of(Path(os.environ.get(_CONFIGURATION_VARIABLE) or "."))


def folder_name(service: str) -> str:
    """Return a name for a folder of a service, its own and one that people recognise."""
    readable = re.sub(r"[^A-Za-z0-9-]+", "-", "-".join(Path(service).with_suffix("").parts[-2:]))
    digest = hashlib.sha256(os.fsencode(service)).hexdigest()[:8]
    return f"{readable.strip('-')[:60]}-{digest}".lstrip("-")

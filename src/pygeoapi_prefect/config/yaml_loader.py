"""The loader of YAML for what is read often: snapshots and process files."""

from typing import Any

import yaml

# The C version is ten times faster, where PyYAML was built with it. Both are the safe ones.
Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

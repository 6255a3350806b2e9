"""Print what extras of the project need, for a layer without the project itself.

Usage: python requirements.py EXTRA ...
"""

import re
import sys
import tomllib
from pathlib import Path

PROJECT = tomllib.loads(Path("pyproject.toml").read_text())["project"]


def requirements(names: list[str]) -> list[str]:
    """Return the requirements of extras, and of those that they name themselves."""
    found: list[str] = []
    for name in names:
        for line in PROJECT["optional-dependencies"][name]:
            own = re.fullmatch(r"z1\[(.+)\]", line)
            found += requirements(own[1].split(",")) if own else [line]
    return found


print("\n".join(dict.fromkeys([*PROJECT["dependencies"], *requirements(sys.argv[1:])])))

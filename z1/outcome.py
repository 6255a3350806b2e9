"""How a run on a cluster ended, told in the log and to a web address."""

import json
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException

import yaml

_SECONDS = 30.0
_GOOD = ("SUCCEEDED", "COMPLETE", "CACHED")  # of Kubeflow Pipelines' versions


def tell(recipe: str, run: str, state: str, message: str) -> None:
    """Print how a run ended, and post it to the recipe's ``notify`` if it has one.

    ``recipe`` is the recipe's text. Neither a broken one nor an address that does not answer is an
    error: this is the last that is heard of a run, and must not hide how it ended.
    """
    name, address = _read(recipe)
    ended = "succeeded" if state in _GOOD else f"ended as {state.lower()}"
    text = f"z1: {name}: run {run} {ended}" + (f": {message}" if message else "")
    print(text, flush=True)
    if not address:
        return
    told = {"recipe": name, "run": run, "state": state, "message": message, "text": text}
    try:
        post(address, told)
        print("told the address that the recipe names", flush=True)
    except (OSError, HTTPException, ValueError) as error:
        print(f"the address that the recipe names could not be told: {error}", flush=True)


def post(address: str, content: Mapping[str, str]) -> None:
    """Send JSON to an address. Raises OSError, HTTPException or ValueError if it is not taken."""
    request = urllib.request.Request(
        address, json.dumps(content).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=_SECONDS):
        pass


def _read(recipe: str) -> tuple[str, str]:
    """Return a recipe's name and the address to tell; what of it is not there is left empty."""
    try:
        content = yaml.safe_load(recipe)
    except yaml.YAMLError:
        content = None
    if not isinstance(content, dict):
        content = {}
    return str(content.get("name", "?")), str(content.get("notify") or "")

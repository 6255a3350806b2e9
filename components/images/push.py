"""Push the images to a registry, and write down by which digests the pipelines are to name them.

Usage: python components/images/push.py REGISTRY   such as ghcr.io/example; DOCKER names the client

Digests go to pushed.json beside this file, from which components/pools.py takes them.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

IMAGES = ("z1-cpu", "z1-train", "z1-vllm")
PUSHED = Path(__file__).with_name("pushed.json")


def push(registry: str, images: tuple[str, ...] = IMAGES, written: Path = PUSHED) -> dict[str, str]:
    """Push images and return their names by digest. Raises CalledProcessError, as docker fails."""
    found = {}
    for image in images:
        repository = f"{registry.rstrip('/')}/{image}"
        # A tag of its own for each content: where tags move, registries remove what has none.
        content = _docker("image", "inspect", "--format", "{{.Id}}", image).partition(":")[2]
        tagged = f"{repository}:{content[:12]}"
        _docker("tag", image, tagged)
        _docker("push", "--quiet", tagged)
        digests = json.loads(
            _docker("image", "inspect", "--format", "{{json .RepoDigests}}", tagged)
        )
        # An image that was pushed elsewhere too has a digest for each place.
        [found[image]] = [name for name in digests if name.startswith(f"{repository}@")]
    # Only now: the pipelines' images are of one build.
    new = written.with_suffix(".new")
    new.write_text(json.dumps(found, indent=1) + "\n")
    new.replace(written)
    return found


def _docker(*arguments: str) -> str:
    command = [os.environ.get("DOCKER", "docker"), *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    if len(sys.argv) != 2 or not sys.argv[1]:
        sys.exit("say where to: make push REGISTRY=ghcr.io/example")
    try:
        names = push(sys.argv[1])
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"not pushed: {error}; `make images` builds them, `docker login` opens a registry")
    print("\n".join(names.values()))
    print(f"Pipelines name these from now on; in a recipe: deploy: {{image: {names['z1-vllm']}}}")

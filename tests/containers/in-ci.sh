#!/usr/bin/env bash
# `make test-containers` with a Docker daemon that is installed and started for it, where that can be
# done. For want of a daemon, rights, room, network or time it says so and ends well: only images
# that do not build and tests that fail are failures.
#
# Usage: tests/containers/in-ci.sh [SECONDS]   the most that it may take
set -euo pipefail
cd "$(dirname "$0")/../.."
limit=${1:-0} # none
room=25       # GB: the images, their layers as they are built, and packages in the cache

skip() {
    echo "The containers are not tested: $*."
    exit 0
}

# A client that builds with BuildKit: older ones hold it themselves, newer ones need a plug-in.
find_docker() {
    local client
    for client in "${DOCKER:-}" docker /usr/bin/docker; do
        if [ -n "$client" ] && command -v "$client" >/dev/null && { "$client" buildx version ||
            "$client" --version | grep -Eq 'version (19|20)\.'; } >/dev/null 2>&1; then
            echo "$client"
            return
        fi
    done
    return 1
}

answers() { "$docker" info --format '{{.DockerRootDir}}' 2>/dev/null | grep '^/'; }

daemon=
stop() {
    [ -z "$daemon" ] && return
    kill "$daemon" 2>/dev/null || true
    wait "$daemon" 2>/dev/null || true
    # It takes minutes, which a machine that is thrown away need not have.
    [ "${CI:-}" = true ] || rm -rf "$data" "$data.log"
}
trap stop EXIT

if ! docker=$(find_docker) || ! { answers || [ -x "$(command -v dockerd)" ]; } >/dev/null; then
    [ "$(id -u)" = 0 ] || skip "no Docker, and without root none can be installed"
    command -v apt-get >/dev/null || skip "no Docker, and no apt-get to install it"
    (apt-get update && apt-get install --yes docker.io debootstrap) >/dev/null 2>&1 ||
        skip "no Docker, and apt-get cannot install it"
    docker=$(find_docker) || skip "no Docker client that builds with BuildKit"
fi
if ! root=$(answers); then
    [ "$(id -u)" = 0 ] || skip "no Docker daemon, and without root none can be started"
    data=$(mktemp -d)
    dockerd --data-root "$data" >"$data.log" 2>&1 &
    daemon=$!
    for _ in $(seq 60); do
        root=$(answers) && break
        kill -0 "$daemon" 2>/dev/null || break
        sleep 1
    done
    [ -n "$root" ] || skip "the Docker daemon does not start: $(tail -n 1 "$data.log")"
fi
free=$(df --output=avail --block-size=1G "$root" 2>/dev/null | tail -n 1)
[ "${free:-$room}" -ge "$room" ] || skip "$free GB are free for images, not $room"

for package in debootstrap docker-registry; do
    command -v "$package" >/dev/null || apt-get install --yes "$package" >/dev/null 2>&1 || true
done
export DOCKER=$docker
tests/containers/make-base.sh || skip "no base image, from a registry or from Debian's packages"
make wheels || skip "no wheel of torch for CPUs"
# What every image starts with, from Debian's and Python's packages.
DOCKER_BUILDKIT=1 "$docker" build --quiet --file components/images/Dockerfile --target tools \
    --build-arg DEVICE=cpu . >/dev/null || skip "containers reach no packages"

code=0
timeout "$((limit ? limit - SECONDS : 0))" make test-containers || code=$?
[ "$code" != 124 ] || skip "stopped after $limit seconds"
exit "$code"

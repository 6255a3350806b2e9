#!/usr/bin/env bash
# Make the base image that the Dockerfile names, where no registry of images can be reached: a plain
# Debian from its packages, with the certificates that this machine trusts.
set -euo pipefail
docker=${DOCKER:-docker}
image=$(sed -n 's/^ARG BASE=//p' "$(dirname "$0")/../../components/images/Dockerfile")
if "$docker" image inspect "$image" >/dev/null 2>&1 || "$docker" pull --quiet "$image" 2>/dev/null; then
    exit
fi
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
debootstrap --variant=minbase bookworm "$root" >/dev/null
mkdir -p "$root/usr/local/share/ca-certificates"
cp /etc/ssl/certs/ca-certificates.crt "$root/usr/local/share/ca-certificates/host.crt"
tar -C "$root" -c . | "$docker" import - "$image" >/dev/null

#!/usr/bin/env bash
# Installs Mesa's software Vulkan driver (lavapipe). Debian 12's own is too old for wgpu; its backports have a newer one.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive
. /etc/os-release
from=()
if [ "${ID:-}" = debian ] && [ "${VERSION_CODENAME:-}" = bookworm ]; then
  extra=$(mktemp /etc/apt/sources.list.d/apt-lab-XXXXXX.list)
  trap 'rm -f "$extra"' EXIT
  chmod 644 "$extra"
  echo "deb http://deb.debian.org/debian bookworm-backports main" >"$extra"
  from=(-t bookworm-backports)
fi
apt-get -qq update
apt-get -qq install -y --no-install-recommends "${from[@]}" mesa-vulkan-drivers libvulkan1 >/dev/null

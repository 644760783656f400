#!/usr/bin/env bash
# Builds the container images into OCI layouts, with their bills of materials beside them, and checks them. No registry and no
# container engine takes part.
#
# The images are the same bytes for the same commit and the same Go version, wherever they are built.
#
# usage: hack/images.sh [FOLDER [IMAGE...]]    (bin/images, all images)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
tools=${TOOLS_DIR:-$PWD/bin/tools}
out=${1:-bin/images}
platforms=linux/amd64,linux/arm64
source=https://github.com/headroom-dev/headroom
names=("${@:2}")
[[ ${#names[@]} -gt 0 ]] || names=(headroom-controller headroom-scheduler)

# Relative and in lower case: ko takes the path of a layout for the name of an image.
work=bin/.images-$$
mkdir -p "$out" "$work"
trap 'rm -rf "$work"' EXIT
export KOCACHE=$PWD/$work/ko
base=$("$tools/scratch-base" "$KOCACHE")

# build: name, what it is for.
build() {
  local name=$1 labels log=$work/$1.log
  labels=org.opencontainers.image.title=$name
  labels+=,"org.opencontainers.image.description=$2"
  labels+=,org.opencontainers.image.version=$(hack/version.sh version)
  labels+=,org.opencontainers.image.revision=$(hack/version.sh commit)
  labels+=,org.opencontainers.image.created=$(hack/version.sh date)
  labels+=,org.opencontainers.image.source=$source,org.opencontainers.image.licenses=Apache-2.0
  echo "building the image $name for $platforms"
  LDFLAGS=$(hack/version.sh ldflags "$name") \
  SOURCE_DATE_EPOCH=$(hack/version.sh epoch) \
  KO_DEFAULTBASEIMAGE=$base \
  KO_DOCKER_REPO=ghcr.io/headroom-dev/$name \
    "$tools/ko" build --push=false --bare --platform="$platforms" --image-label="$labels" \
    --oci-layout-path="$work/$name" --sbom-dir="$work/sbom" "./cmd/${name#headroom-}" >"$log" 2>&1 || { cat "$log" >&2; return 1; }
  # ko names the bills after the folder of the program.
  for bill in "$work/sbom/${name#headroom-}"-*; do mv "$bill" "$work/sbom/headroom-$(basename "$bill")"; done
}

for name in "${names[@]}"; do
  case $name in
    headroom-controller) build "$name" "Keeps Headrooms topped up" ;;
    headroom-scheduler) build "$name" "kube-scheduler with the Headroom plugin" ;;
    *) echo "hack/images.sh: there is no image $name: choose headroom-controller or headroom-scheduler" >&2; exit 2 ;;
  esac
done
go run ./hack/check-images "$work" "${names[@]}"
mkdir -p "$out/sbom"
for name in "${names[@]}"; do
  rm -rf "${out:?}/$name" "$out/sbom/$name"-*
  mv "$work/$name" "$out/"
  mv "$work/sbom/$name"-* "$out/sbom/"
done
echo "images: $out/{$(IFS=,; echo "${names[*]}")}, bills of materials: $out/sbom"

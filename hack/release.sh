#!/usr/bin/env bash
# Makes everything that a release consists of, in one folder, from what is committed. No registry and no container engine takes part.
# The same commit, version and Go version give the same bytes, so that SHA256SUMS can be compared with those of a published release.
#
# usage: hack/release.sh VERSION [FOLDER]    (v1.2.3, or v1.2.3-rc.1; bin/release/VERSION)
# environment: TOOLS_DIR, as make sets it
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
fail() { echo "release: $1" >&2; exit 1; }

export VERSION=${1:-} # hack/version.sh and hack/images.sh take it from here
[[ $VERSION =~ ^v[0-9]+\.[0-9]+\.[0-9]+(-[0-9a-z.]+)?$ ]] || fail "VERSION must be like v1.2.3 or v1.2.3-rc.1, not '$VERSION'"
out=${2:-bin/release/$VERSION}
tools=${TOOLS_DIR:-$PWD/bin/tools}
registry=ghcr.io/headroom-dev
platforms=(linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64)
images=(headroom-controller headroom-scheduler)
epoch=$(hack/version.sh epoch)
[[ $(hack/version.sh state) != dirty || ${RELEASE_DIRTY:-} == yes ]] || fail "something is not committed: a release is made of a commit (RELEASE_DIRTY=yes tries it all the same)"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
rm -rf "$out"
mkdir -p "$out/sbom"
go run ./hack/release notes "$VERSION" CHANGELOG.md >"$out/notes.md"

# pack: FILE FOLDER NAME...: a tar.gz that depends on nothing but names and contents.
pack() {
  tar --sort=name --mtime="@$epoch" --owner=0 --group=0 --numeric-owner --mode=u+rw,go+r,go-w -C "$2" -cf - "${@:3}" | gzip -n -9 >"$1"
}
# digest: IMAGE: what the image is pulled by, for all platforms.
digest() {
  local digests
  digests=$(grep -o '"digest": *"sha256:[0-9a-f]*"' "$out/images/$1/index.json" | grep -o 'sha256:[0-9a-f]*')
  [[ $digests =~ ^sha256:[0-9a-f]{64}$ ]] || fail "the layout of $1 does not hold exactly one index"
  echo "$digests"
}

echo "release $VERSION: images"
TOOLS_DIR=$tools hack/images.sh "$out/images" "${images[@]}"
mv "$out/images/sbom"/* "$out/sbom/" && rmdir "$out/images/sbom"

echo "release $VERSION: manifests"
mkdir "$work/kustomize"
cat >"$work/kustomize/kustomization.yaml" <<EOF
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [../manifests/default]
images:
$(for image in "${images[@]}"; do echo "  - {name: $registry/$image, newTag: $VERSION, digest: $(digest "$image")}"; done)
EOF
cp -r manifests "$work/manifests"
"$tools/kubectl" kustomize "$work/kustomize" >"$out/headroom.yaml"
"$tools/kubectl" kustomize manifests/crd >"$out/headroom-crds.yaml"

echo "release $VERSION: chart"
cp -r manifests/charts/headroom "$work/headroom"
sed -i -e "s/^version: .*/version: ${VERSION#v}/" -e "s/^appVersion: .*/appVersion: $VERSION/" "$work/headroom/Chart.yaml"
sed -i "s|/blob/v[0-9.]*/docs/|/blob/$VERSION/docs/|" "$work/headroom/files"/alerts-*.yaml # the pages of this version
go run ./hack/release links "$work/headroom/README.md" manifests/charts/headroom "$VERSION"
for image in "${images[@]}"; do
  go run ./hack/release digest "$work/headroom/values.yaml" "${image#headroom-}" "$(digest "$image")"
done
pack "$out/headroom-${VERSION#v}.tgz" "$work" headroom
home=$work/helm
mkdir "$home"
HELM_CACHE_HOME=$home HELM_CONFIG_HOME=$home HELM_DATA_HOME=$home "$tools/helm" template headroom "$out/headroom-${VERSION#v}.tgz" \
  --namespace headroom-system --kube-version 1.37.0 >"$work/rendered.yaml"

echo "release $VERSION: kubectl plugin"
ldflags="-s -w $(hack/version.sh ldflags kubectl-headroom)"
for platform in "${platforms[@]}"; do
  os=${platform%/*} arch=${platform#*/} binary=kubectl-headroom
  [[ $os != windows ]] || binary=kubectl-headroom.exe
  mkdir "$work/$os-$arch"
  CGO_ENABLED=0 GOOS=$os GOARCH=$arch go build -trimpath -ldflags "$ldflags" -o "$work/$os-$arch/$binary" ./cmd/kubectl-headroom
  cp LICENSE "$work/$os-$arch/"
  pack "$out/kubectl-headroom_${VERSION}_${os}_$arch.tar.gz" "$work/$os-$arch" LICENSE "$binary"
done
go run ./hack/release krew "$VERSION" "$out" >"$out/krew-headroom.yaml"
go run ./hack/release bill "$VERSION" "$(hack/version.sh date)" "$out" >"$out/sbom/kubectl-headroom.spdx.json"

echo "release $VERSION: image archives and sums"
for image in "${images[@]}"; do
  pack "$out/$image-$VERSION-oci.tar.gz" "$out/images/$image" .
  echo "$registry/$image:$VERSION@$(digest "$image")"
done >"$out/images.txt"
rm -r "$out/images"
! grep -rnE ':latest\b' "$out"/*.yaml "$work/rendered.yaml" || fail "something says latest, which moves"
(cd "$out" && find . -type f ! -name SHA256SUMS -printf '%P\n' | LC_ALL=C sort | xargs sha256sum >SHA256SUMS)
echo "release $VERSION: $out, $(wc -l <"$out/SHA256SUMS") files"

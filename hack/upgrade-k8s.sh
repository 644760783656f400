#!/usr/bin/env bash
# Sets the Kubernetes version of the product and of the control-plane tools, or of one module alone: those of the control
# planes of earlier versions, which `make test-versions` runs.
#
# k8s.io/kubernetes requires its staging modules (k8s.io/api, k8s.io/client-go, ...) at v0.0.0 and replaces them by
# folders of its own repository; whoever imports it has to replace them by the published versions. This script reads the
# list from the go.mod of that version, so that nobody keeps it by hand.
#
# usage: hack/upgrade-k8s.sh v1.37.0
#        hack/upgrade-k8s.sh v1.36.3 hack/tools/kubernetes-1.36
set -euo pipefail

version=${1:-}
if [[ ! $version =~ ^v1\.([0-9]+\.[0-9]+)$ ]]; then
  echo "usage: hack/upgrade-k8s.sh VERSION [FOLDER] (for example v1.37.0), got '${version}'" >&2
  exit 2
fi
staging=v0.${BASH_REMATCH[1]}
cd "$(dirname "${BASH_SOURCE[0]}")/.."
dirs=("${@:2}")
[[ ${#dirs[@]} -gt 0 ]] || dirs=(. hack/tools/kubernetes)

upstream=$(mktemp -d)
trap 'rm -rf "$upstream"' EXIT
(cd "$upstream" && go mod init upstream >/dev/null 2>&1)
gomod=$(cd "$upstream" && go mod download -json "k8s.io/kubernetes@${version}" | sed -n 's/^\t"GoMod": "\(.*\)",$/\1/p')
if [[ -z $gomod ]]; then
  echo "k8s.io/kubernetes ${version} is not on the Go module proxy: choose a published version" >&2
  exit 1
fi
modules=$(sed -n 's|^\t\(k8s.io/[a-z-]*\) => ./staging/src/.*|\1|p' "$gomod")

for dir in "${dirs[@]}"; do
  [[ -f $dir/go.mod ]] || continue
  edits=("-require=k8s.io/kubernetes@${version}")
  for module in $modules; do
    edits+=("-replace=${module}=${module}@${staging}")
    if grep -q "^\s*${module} v" "$dir/go.mod"; then
      edits+=("-require=${module}@${staging}")
    fi
  done
  (cd "$dir" && go mod edit "${edits[@]}" && go mod tidy)
  echo "${dir}/go.mod: k8s.io/kubernetes ${version}, staging modules ${staging}"
done

#!/usr/bin/env bash
# Says which version this is, for what the binaries and images tell of themselves.
#
# The version is a tag (v0.3.0) or what Go would call the commit: v0.3.1-0.DATE-COMMIT after the tag v0.3.0, and without any
# tag v0.0.0-DATE-COMMIT. "+dirty" says that the work tree was not what is committed. The date is the commit's, never the
# time of the build: the same commit gives the same binary.
#
# usage: hack/version.sh version|commit|date|epoch|state|kubernetes
#        hack/version.sh ldflags BINARY    (headroom-controller, headroom-scheduler, ...)
# environment: VERSION overrides the version, for builds without a repository.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() { echo "hack/version.sh: $1" >&2; exit 2; }

commit() { git rev-parse --verify -q HEAD 2>/dev/null || echo unknown; }

epoch() { git log -1 --format=%ct 2>/dev/null || echo 0; }

# at: seconds, format.
at() { date -u -d "@$1" "+$2" 2>/dev/null || date -u -r "$1" "+$2"; } # GNU, else BSD

state() {
  local changes
  changes=$(git status --porcelain 2>/dev/null) || { echo unknown; return; }
  [[ -z $changes ]] && echo clean || echo dirty
}

version() {
  if [[ -n ${VERSION:-} ]]; then echo "$VERSION"; return; fi
  local tag base pseudo
  pseudo=$(at "$(epoch)" %Y%m%d%H%M%S)-$(commit | cut -c1-12)
  if tag=$(git describe --tags --exact-match --match 'v[0-9]*.[0-9]*.[0-9]*' 2>/dev/null); then
    base=$tag
  elif ! tag=$(git describe --tags --abbrev=0 --match 'v[0-9]*.[0-9]*.[0-9]*' 2>/dev/null); then
    base=v0.0.0-$pseudo
  elif [[ $tag == *-* ]]; then
    base=$tag.0.$pseudo
  else
    base=${tag%.*}.$((${tag##*.} + 1))-0.$pseudo
  fi
  [[ $(state) != dirty ]] && echo "$base" || echo "$base+dirty"
}

kubernetes() { sed -n 's|^\tk8s.io/kubernetes \(v[0-9.]*\)$|\1|p' go.mod; }

# ldflags: binary. The scheduler is kube-scheduler of a Kubernetes version with a plugin, and has to know which: its
# feature gates follow the version of the binary, and v0.3.0 would switch off every feature younger than Kubernetes 0.3.
ldflags() {
  local own git_version package flags
  own=$(version)
  git_version=$own
  [[ $1 != headroom-scheduler ]] || git_version=$(kubernetes)+headroom.${own//+/.}
  flags="-X github.com/headroom-dev/headroom/pkg/buildinfo.ownVersion=$own"
  flags+=" -X k8s.io/component-base/version/verflag.programName=$1"
  for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    flags+=" -X $package.gitVersion=$git_version -X $package.gitCommit=$(commit) -X $package.gitTreeState=$(state)"
    flags+=" -X $package.buildDate=$(at "$(epoch)" %Y-%m-%dT%H:%M:%SZ)"
  done
  [[ ${git_version%%+*} =~ ^v([0-9]+)\.([0-9]+)\. ]] || fail "the version '$git_version' is not semantic (v1.2.3)"
  echo "$flags -X k8s.io/component-base/version.gitMajor=${BASH_REMATCH[1]} -X k8s.io/component-base/version.gitMinor=${BASH_REMATCH[2]}"
}

case ${1:-} in
  version | commit | epoch | state | kubernetes) "$1" ;;
  date) at "$(epoch)" %Y-%m-%dT%H:%M:%SZ ;;
  ldflags) ldflags "${2:?hack/version.sh: ldflags needs the name of a binary}" ;;
  *) fail "usage: hack/version.sh version|commit|date|epoch|state|kubernetes, or ldflags BINARY" ;;
esac

#!/usr/bin/env bash
# Runs a build. If it fails, the last line says in one sentence what could not be built, why as far as that can be told, and what to do.
#
# usage: hack/build.sh WHAT COMMAND [ARG...]
set -uo pipefail
what=$1
shift

# Not tee: to open /dev/stderr anew would truncate the file that it may be.
show() {
  while IFS= read -r line; do
    printf '%s\n' "$line"
    printf '%s\n' "$line" >&2
  done
}
output=$("$@" 2>&1 | show) && exit 0

case $output in
  *'no space left on device'* | *'disk quota exceeded'*)
    cause="the disk is full: free some space; the folders that grow are bin/, ${GOCACHE:-the one that 'go env GOCACHE' names} and ${GOMODCACHE:-the one that 'go env GOMODCACHE' names}"
    ;;
  *'module lookup disabled'* | *'dial tcp'* | *'no such host'* | *'404 Not Found'* | *'410 Gone'* | *'connection refused'* | *'unknown revision'* | *'TLS handshake'*)
    cause="a Go module could not be downloaded: see the line above for which, and have GOPROXY name a proxy that has it ('go env GOPROXY' says which is asked now)"
    ;;
  *'checksum mismatch'* | *'missing go.sum entry'*)
    cause="a Go module is not the one that was pinned: see the line above; 'go clean -modcache' discards a damaged download"
    ;;
  *'permission denied'* | *'read-only file system'*)
    cause="a folder cannot be written: see the line above for which, and make it writable"
    ;;
  *'signal: killed'*)
    cause="the compiler was killed, mostly because memory ran out: give it more, or build with GOFLAGS=-p=1"
    ;;
  *) cause="see the lines above" ;;
esac
echo "building $what failed: $cause" >&2
exit 1

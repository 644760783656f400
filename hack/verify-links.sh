#!/usr/bin/env bash
# Fails when a Markdown file links to a file of the repository that is not there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bad=0
while IFS=: read -r file target; do
  path=${target%%#*}
  [[ -z $path || $path == *://* || $path == mailto* ]] && continue
  [[ -e $(dirname "$file")/$path ]] || { echo "$file links to $path, which does not exist" >&2; bad=1; }
done < <(git ls-files -- '*.md' | xargs -r grep -oH '](\([^) ]*\))' | sed 's/:](\(.*\))$/:\1/')
exit "$bad"

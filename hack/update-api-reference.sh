#!/usr/bin/env bash
# Generates docs/reference/api.md from the types in api/v1alpha1.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
page=docs/reference/api.md
"${TOOLS_DIR:-bin/tools}"/crd-ref-docs --source-path=api/v1alpha1 --config=hack/api-reference/config.yaml --renderer=markdown \
  --output-path="$page" --log-level=ERROR
# The generator writes markers without a value as "Required: {}", and gives the page a title that says nothing.
sed -i.bak -E -e 's/(Required|Optional): \\\{\\\}/\1/g' -e 's/( <br \/>)+ \|/ |/g' -e 's/[ \t]+$//' \
  -e '1s/.*/# The API, generated from its types\n\nEvery type and field, with default and validation. [Headroom: the API](headroom.md) says what goes with what./' "$page"
rm "$page.bak"

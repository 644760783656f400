#!/usr/bin/env bash
# Fails when a Markdown file has a word that is commonly misspelled, or is spelled in the British way. The comments of Go files are the linter's.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
git ls-files -z -- '*.md' | xargs -0 "${TOOLS_DIR:-bin/tools}"/misspell -error -locale US

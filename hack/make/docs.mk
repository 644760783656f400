# The documentation as a site. What builds it, VitePress, is pinned by docs/package-lock.json and comes from npm into docs/node_modules.

DOCS_MODULES := docs/node_modules/.package-lock.json
DOCS = DOCS_REVISION=$$($(CURDIR)/hack/version.sh commit) DOCS_VERSION=$$($(CURDIR)/hack/version.sh version) DOCS_BASE='$(strip $(DOCS_BASE))' NO_UPDATE_NOTIFIER=1

.PHONY: node
node:
	@version=$$(node --version 2>/dev/null) && command -v npm >/dev/null && [[ $${version#v} =~ ^([0-9]+) && $${BASH_REMATCH[1]} -ge 20 ]] || \
	  { echo "make docs needs Node.js 20 or later with npm on the PATH (on Debian: apt-get install nodejs npm), and found $${version:-none}" >&2; exit 1; }

# No install scripts: what is needed comes ready in the packages.
$(DOCS_MODULES): docs/package.json docs/package-lock.json | node
	@echo "installing what builds the site, about 15 seconds the first time"
	@hack/build.sh docs/node_modules npm ci --prefix docs --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

// The site that `make docs` builds of docs/*.md. The pages are plain Markdown without front matter, and read as well on a forge.
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitepress'
import { checklists, repositoryLinks, slug } from './links.mjs'
import { sidebar } from './sidebar.mjs'

const docs = resolve(fileURLToPath(import.meta.url), '../..')
const forge = 'https://github.com/headroom-dev/headroom'
// hack/make/docs.mk sets these: which commit or tag links to the code lead to, what the site calls itself, and the path that it is served
// under.
const { DOCS_REVISION: revision = 'v0.0.0', DOCS_VERSION: version = 'unknown version', DOCS_BASE: base = '/' } = process.env

export default defineConfig({
  title: 'Headroom',
  description: 'Spare capacity for Kubernetes that is there when a pod needs it',
  lang: 'en-US',
  base,
  outDir: '../bin/site',
  cacheDir: '../bin/.site-cache',
  rewrites: { 'README.md': 'index.md' },
  metaChunk: true,
  head: [['link', { rel: 'icon', href: 'data:,' }]], // None: browsers would ask for one.
  markdown: {
    anchor: { slugify: slug },
    config: (md) => md.use(checklists).use(repositoryLinks, { root: resolve(docs, '..'), docs, forge, revision }),
  },
  themeConfig: {
    sidebar: sidebar(readFileSync(resolve(docs, 'README.md'), 'utf8')),
    outline: [2, 3],
    search: { provider: 'local' },
    socialLinks: [{ icon: 'github', link: forge }],
    nav: [{ text: version, link: `${forge}/tree/${revision}` }],
    footer: { message: 'Apache-2.0' },
  },
})

// Links and headings of the pages, made such that the same Markdown reads well on the site and on a forge.
import { existsSync, statSync } from 'node:fs'
import { dirname, relative, resolve } from 'node:path'

// slug is the anchor of a heading, by the rule of GitHub and its like: VitePress has another one, and links to a part of a page would
// work in one of the two places only.
export function slug(heading) {
  return heading.trim().toLowerCase().replace(/[^\p{L}\p{M}\p{N}\p{Pc}\- ]/gu, '').replaceAll(' ', '-')
}

// target is where a link of a page leads on the site: to another page, or to the file of the repository at `revision`, which is a commit
// or a tag, so that the link keeps leading to what the page is about. A file that does not exist is an error, which fails the build.
export function target(href, page, { root, docs, forge, revision }) {
  if (/^([a-z][a-z0-9+.-]*:|#|\/)/i.test(href)) return href
  const [path, fragment] = href.split(/(?=#)/)
  const file = resolve(dirname(page), path)
  if (!existsSync(file)) throw new Error(`${relative(root, page)} links to ${path}, which does not exist`)
  const isPage = file.startsWith(`${docs}/`) && file.endsWith('.md')
  if (isPage) return path.replace(/(^|\/)README\.md$/, '$1index.md') + (fragment ?? '')
  const kind = statSync(file).isDirectory() ? 'tree' : 'blob'
  return `${forge}/${kind}/${revision}/${relative(root, file)}${fragment ?? ''}`
}

// repositoryLinks is a plugin of markdown-it that gives every link its target.
export function repositoryLinks(md, places) {
  md.core.ruler.push('repository-links', (state) => {
    const page = state.env.realPath ?? state.env.path
    for (const token of state.tokens.flatMap((block) => block.children ?? [])) {
      if (token.type === 'link_open') token.attrSet('href', target(token.attrGet('href'), page, places))
    }
  })
}

// checklists is a plugin of markdown-it that shows "- [ ] ..." as the box that a forge makes of it.
export function checklists(md) {
  md.core.ruler.push('checklists', (state) => {
    for (const token of state.tokens.flatMap((block) => (block.type === 'inline' ? block.children.slice(0, 1) : []))) {
      if (token.type === 'text') token.content = token.content.replace(/^\[ \] /, '\u2610 ')
    }
  })
}

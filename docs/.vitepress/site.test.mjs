import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { slug, target } from './links.mjs'
import { sidebar } from './sidebar.mjs'

const docs = resolve(fileURLToPath(import.meta.url), '../..')
const root = resolve(docs, '..')
const places = { root, docs, forge: 'https://forge.example/headroom', revision: 'v1.2.3' }
const page = resolve(docs, 'how-to/install.md')

test('a heading has the anchor that a forge gives it', () => {
  assert.equal(slug("C: the cluster's scheduler"), 'c-the-clusters-scheduler')
  assert.equal(slug('Metrics, alerts'), 'metrics-alerts')
  assert.equal(slug('headroom_scheduler_misses'), 'headroom_scheduler_misses')
})

test('a link to a page stays a link to a page', () => {
  assert.equal(target('karpenter.md#settings-that-matter', page, places), 'karpenter.md#settings-that-matter')
  assert.equal(target('../README.md', page, places), '../index.md')
})

test('a link to another file of the repository leads to the forge, at the revision that the site is about', () => {
  assert.equal(target('../../manifests/samples/web.yaml', page, places), 'https://forge.example/headroom/blob/v1.2.3/manifests/samples/web.yaml')
  assert.equal(target('../../manifests/samples', page, places), 'https://forge.example/headroom/tree/v1.2.3/manifests/samples')
  assert.equal(target('../../README.md#install-it', page, places), 'https://forge.example/headroom/blob/v1.2.3/README.md#install-it')
})

test('a link out of the repository, or within the page, stays', () => {
  for (const href of ['https://kubernetes.io/docs/', 'mailto:a@example.org', '#upgrade']) assert.equal(target(href, page, places), href)
})

test('a link to a file that is not there is an error', () => {
  assert.throws(() => target('../../manifests/samples/gone.yaml', page, places), /install\.md links to .*gone\.yaml, which does not exist/)
})

test('the sidebar is the list of pages in docs/README.md', () => {
  assert.deepEqual(sidebar('# Docs\n\n## How to\n\n* [Install](how-to/install.md): with Helm\n* [Code](../CONTRIBUTING.md)\n\n## Empty\n'), [
    { text: 'How to', items: [{ text: 'Install', link: '/how-to/install' }] },
  ])
  const groups = sidebar(readFileSync(resolve(docs, 'README.md'), 'utf8'))
  assert.ok(groups.flatMap((group) => group.items).length > 15)
})

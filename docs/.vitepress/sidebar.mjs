// The sidebar of the site is the list of pages in docs/README.md, so that there is one list for site and forge.

// sidebar makes a group of each heading of the second level, and an item of each entry "* [Title](page.md)" under it.
export function sidebar(markdown) {
  const groups = []
  for (const line of markdown.split('\n')) {
    const heading = /^## (.+)$/.exec(line)
    if (heading) groups.push({ text: heading[1], items: [] })
    const entry = /^\* \[([^\]]+)\]\(([^)#]+)\.md\)/.exec(line)
    if (entry && !entry[2].startsWith('..')) groups.at(-1).items.push({ text: entry[1], link: `/${entry[2]}` })
  }
  return groups.filter((group) => group.items.length > 0)
}

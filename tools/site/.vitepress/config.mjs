// The manual as a static site: the pages of docs, as they are on GitHub.

import { cpSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import GithubSlugger from 'github-slugger'
import { defineConfig } from 'vitepress'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const docs = path.join(root, 'docs')
const site = path.join(root, 'tools', 'site')
const repository = 'https://github.com/lastcall-go/lastcall'

// The pages are built from a copy: from outside of this folder they would not find the packages
// in its node_modules. The first page of a folder is README.md on GitHub, and index.md here.
const copy = path.join(site, '.pages')
rmSync(copy, { recursive: true, force: true })
cpSync(docs, copy, { recursive: true, filter: (f) => path.basename(f) !== 'node_modules' })
for (const f of readdirSync(copy, { recursive: true })) {
  if (path.basename(f) === 'README.md') renameSync(path.join(copy, f), path.join(copy, path.dirname(f), 'index.md'))
}

// The links of a page are those of GitHub: to other pages, and to files of the repository.
// Here the former are pages of the site, and the latter are addresses on GitHub.
function links(md) {
  md.core.ruler.push('repository-links', (state) => {
    const folder = path.join(docs, path.dirname(state.env.relativePath))
    for (const block of state.tokens) {
      for (const token of block.children ?? []) {
        if (token.type !== 'link_open') continue
        token.attrSet('href', link(folder, token.attrGet('href')))
      }
    }
  })
}

function link(folder, href) {
  if (/^(https?:|#)/.test(href)) return href
  const [file, anchor] = href.split('#')
  const target = path.join(folder, file)
  if (!existsSync(target)) throw new Error(`${folder}: there is no ${file}`)
  const inside = !path.relative(docs, target).startsWith('..')
  if (inside && file.endsWith('.md')) {
    return file.replace(/README\.md$/, 'index.md') + (anchor ? `#${anchor}` : '')
  }
  const kind = statSync(target).isDirectory() ? 'tree' : 'blob'
  return `${repository}/${kind}/main/${path.relative(root, target).split(path.sep).join('/')}${anchor ? `#${anchor}` : ''}`
}

// The info string of a sample names its source, such as http3_test.go#http3. VitePress would
// highlight line 3 of the sample.
function languages(md) {
  md.core.ruler.push('languages', (state) => {
    for (const block of state.tokens) {
      if (block.type === 'fence') block.info = block.info.trim().split(' ')[0]
    }
  })
}

// In code, such as {{.Port}}, braces are not an expression of Vue.
function braces(md) {
  const inline = md.renderer.rules.code_inline
  md.renderer.rules.code_inline = (...args) => inline(...args).replace('<code', '<code v-pre')
}

// A page in the list beside the text has its first heading as its name.
function page(file) {
  const [, text] = readFileSync(path.join(docs, file), 'utf8').match(/^# (.*)$/m)
  return { text: text.replaceAll('`', ''), link: '/' + file.replace(/README\.md$/, '').replace(/\.md$/, '') }
}

function folder(name) {
  return readdirSync(path.join(docs, name)).filter((f) => f.endsWith('.md') && f !== 'README.md')
    .map((f) => page(`${name}/${f}`))
}

export default defineConfig({
  title: 'lastcall',
  description: 'Structured shutdown for Go',
  head: [['link', { rel: 'icon', href: 'data:,' }]],
  srcDir: copy,
  outDir: path.join(site, 'dist'),
  cacheDir: path.join(site, 'node_modules', '.cache'),
  base: process.env.BASE ?? '/', // such as /lastcall/ where the site is not at the root of its host
  markdown: {
    html: false, // GitHub leaves most of it out
    anchor: { slugify: (text) => new GithubSlugger().slug(text) },
    config: (md) => md.use(links).use(languages).use(braces),
  },
  themeConfig: {
    search: { provider: 'local' },
    socialLinks: [{ icon: 'github', link: repository }],
    outline: [2, 3],
    sidebar: [
      { text: 'Begin', items: ['README.md', 'getting-started.md', 'moving-over.md', 'recipes.md', 'questions.md', 'approving.md'].map(page) },
      { text: 'Look up', items: ['how-a-stop-runs.md', 'how-a-start-runs.md', 'configuration.md', 'operating.md', 'connections.md', 'grpc.md', 'telemetry.md', 'testing.md'].map(page) },
      { text: 'Platforms', items: ['kubernetes.md', 'systemd.md', 'docker.md', 'platforms.md'].map(page) },
      { text: 'Background', items: [
        { ...page('lastcallvet/README.md'), collapsed: true, items: folder('lastcallvet') },
        { ...page('decisions/README.md'), collapsed: true, items: folder('decisions') },
        page('drill-results/README.md'),
        page('unreached.md'),
      ] },
    ],
  },
})

// Looks at the built site in a real browser: every page opens, none scrolls sideways on a phone,
// and each link between pages leads to a heading that is there.

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'

const dist = fileURLToPath(new URL('dist', import.meta.url))
const files = readdirSync(dist, { recursive: true }).map((f) => f.split(path.sep).join('/'))
const pages = files.filter((f) => f.endsWith('.html') && f !== '404.html').map((f) => '/' + f)
const types = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.json': 'application/json' }
const phone = { width: 400, height: 800 }
const desktop = { width: 1280, height: 900 }

let server, origin, browser

before(async () => {
  server = createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://site')
    const file = pathname.endsWith('/') ? pathname + 'index.html' : pathname
    if (!files.includes(file.slice(1))) return response.writeHead(404).end()
    response.writeHead(200, { 'content-type': types[path.extname(file)] ?? 'application/octet-stream' })
    response.end(readFileSync(path.join(dist, file)))
  })
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening))
  origin = `http://127.0.0.1:${server.address().port}`
  browser = await chromium.launch({
    timeout: 120_000, // a busy machine is no fault of the site
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  })
})

after(async () => {
  await browser?.close()
  server?.close()
})

test('the site has the pages of the manual', () => {
  for (const page of ['/index.html', '/getting-started.html', '/decisions/index.html', '/lastcallvet/index.html']) {
    assert.ok(pages.includes(page), `${page} is not built`)
  }
})

test('every page opens, fits on a phone, and links to what is there', async () => {
  const page = await browser.newPage({ viewport: phone })
  page.setDefaultTimeout(120_000)
  const faults = []
  let at
  page.on('pageerror', (error) => faults.push(`${at}: ${error}`))
  page.on('console', (message) => { if (message.type() === 'error') faults.push(`${at}: ${message.text()}`) })

  const ids = new Map()
  const links = []
  for (at of pages) {
    const response = await page.goto(origin + at, { waitUntil: 'load' })
    if (!response.ok()) faults.push(`${at}: status ${response.status()}`)
    for (const viewport of [phone, desktop]) {
      await page.setViewportSize(viewport)
      const { heading, width, scroll } = await page.evaluate(() => ({
        heading: document.querySelector('h1')?.getBoundingClientRect().height ?? 0,
        width: document.documentElement.clientWidth,
        scroll: document.documentElement.scrollWidth,
      }))
      if (heading === 0) faults.push(`${at}: no heading is to be seen at ${viewport.width} px`)
      if (scroll > width) faults.push(`${at}: ${scroll} px wide at ${viewport.width} px`)
    }
    const found = await page.evaluate(() => ({
      ids: [...document.querySelectorAll('[id]')].map((e) => e.id),
      links: [...document.querySelectorAll('a[href]')].map((a) => a.href),
      highlighted: document.querySelectorAll('.highlighted').length,
    }))
    if (found.highlighted > 0) faults.push(`${at}: ${found.highlighted} lines of code are highlighted`)
    ids.set(at, new Set(found.ids))
    for (const href of found.links) links.push([at, new URL(href)])
  }
  for (const [from, url] of links) {
    if (url.origin !== origin) {
      if (url.protocol !== 'https:') faults.push(`${from}: links to ${url}`)
      continue
    }
    const to = url.pathname.endsWith('/') ? url.pathname + 'index.html' : url.pathname
    const anchor = decodeURIComponent(url.hash.slice(1))
    if (!ids.has(to)) faults.push(`${from}: links to ${url.pathname}, which is no page`)
    else if (anchor && !ids.get(to).has(anchor)) faults.push(`${from}: ${to} has no #${anchor}`)
  }
  assert.ok(links.length > 10 * pages.length, `found only ${links.length} links`)
  assert.deepEqual([...new Set(faults)], [])
})

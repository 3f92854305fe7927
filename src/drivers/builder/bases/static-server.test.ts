import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { get } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { serveFolder } from './static-server.ts'

let folder: string
let url: string
let port: number
let server: ReturnType<typeof serveFolder>

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lockgate-static-'))
  await mkdir(join(folder, 'site/docs'), { recursive: true })
  const files = {
    secret: 'no',
    'site/index.html': 'start',
    'site/about.html': 'about',
    'site/docs/index.html': 'docs',
    'site/a b.css': 'css',
    'site/.env': 'KEY',
    'site/data.bin': '0123456789',
  }
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text)
  await symlink('../secret', join(folder, 'site/out'))
  server = serveFolder(join(folder, 'site')).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const address = server.address()
  port = typeof address === 'object' && address ? address.port : 0
  url = `http://127.0.0.1:${port}`
})

afterAll(async () => {
  server.close()
  await rm(folder, { recursive: true })
})

test.each([
  ['/', 200, 'text/html; charset=utf-8', 'start'],
  ['/about', 200, 'text/html; charset=utf-8', 'about'],
  ['/docs/', 200, 'text/html; charset=utf-8', 'docs'],
  ['/docs', 200, 'text/html; charset=utf-8', 'docs'],
  ['/a%20b.css?v=1', 200, 'text/css; charset=utf-8', 'css'],
  ['/data.bin', 200, 'application/octet-stream', '0123456789'],
  ['/nothing', 404, 'text/plain; charset=utf-8', 'Not found\n'],
  ['/.env', 404, 'text/plain; charset=utf-8', 'Not found\n'],
  ['/out', 404, 'text/plain; charset=utf-8', 'Not found\n'],
  ['/%E0%A4%A', 400, 'text/plain; charset=utf-8', 'Bad request\n'],
  ['/%00', 400, 'text/plain; charset=utf-8', 'Bad request\n'],
])('%s is answered with %i', async (...[path, status, type, text]) => {
  const response = await fetch(`${url}${path}`)

  expect([response.status, response.headers.get('content-type'), await response.text()]).toEqual([status, type, text])
})

test('a path that climbs out finds nothing', async () => {
  // Not fetch: it tidies the path before it asks.
  const status = await new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, path: '/../secret', agent: false }, (response) => {
      response.resume()
      resolve(response.statusCode)
    }).on('error', reject)
  })

  expect(status).toEqual(404)
})

test('a folder without its slash is sent to it, never to another host', async () => {
  const response = await fetch(`${url}//docs`, { redirect: 'manual' })

  expect([response.status, response.headers.get('location')]).toEqual([301, '/docs/'])
})

test('a range is answered with its part, one outside is not', async () => {
  const part = await fetch(`${url}/data.bin`, { headers: { range: 'bytes=2-4' } })
  const last = await fetch(`${url}/data.bin`, { headers: { range: 'bytes=-3' } })
  const outside = await fetch(`${url}/data.bin`, { headers: { range: 'bytes=50-' } })

  expect([part.status, part.headers.get('content-range'), await part.text()]).toEqual([206, 'bytes 2-4/10', '234'])
  expect(await last.text()).toEqual('789')
  expect(outside.status).toEqual(416)
})

test('what the browser has is not sent again, and nothing may be written', async () => {
  const first = await fetch(`${url}/about`)

  expect((await fetch(`${url}/about`, { headers: { 'if-none-match': first.headers.get('etag') ?? '' } })).status).toEqual(304)
  expect((await fetch(url, { method: 'POST', body: 'x' })).status).toEqual(405)
  expect(await (await fetch(url, { method: 'HEAD' })).text()).toEqual('')
})

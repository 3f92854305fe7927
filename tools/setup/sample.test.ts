import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import type { Settings } from '../../src/settings.ts'
import { askThroughEdge } from './sample.ts'

/** An edge that answers these statuses, one after another; the last one from then on. */
async function anEdge(statuses: readonly number[]): Promise<Settings> {
  let asked = 0
  const server = createServer((_request, response) => {
    response.writeHead(statuses[Math.min(asked, statuses.length - 1)] ?? 200).end()
    asked += 1
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return { edge: { config: { httpPort: (server.address() as AddressInfo).port } } } as unknown as Settings
}

test('an app that is still on its way up is asked again', async () => {
  await askThroughEdge(await anEdge([503, 503, 200]), 'http://hello.localhost')
})

test('one that never answers is said, with what it answered', async () => {
  await expect(askThroughEdge(await anEdge([503]), 'http://hello.localhost', 1_000)).rejects.toThrow(
    'http://hello.localhost answers 503 through the edge, for 1 s',
  )
})

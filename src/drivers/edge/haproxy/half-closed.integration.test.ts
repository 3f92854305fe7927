import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { aTable } from '../../../../test/support/edge.ts'
import { startHaproxy } from '../../../../test/support/haproxy.ts'
import { socketApp } from '../../../../test/support/socket-app.ts'
import { until } from '../../../../test/support/until.ts'
import { silentLog } from '../../../lib/log.ts'
import { haproxy } from './index.ts'

const ANSWER = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n'

/** An app that upgrades, and keeps its side open when the visitor has closed theirs. */
function stubbornApp(): Promise<number> {
  return socketApp(
    (socket) => {
      socket.once('data', () => socket.write(ANSWER))
      socket.resume()
    },
    { allowHalfOpen: true },
  )
}

test('a WebSocket whose visitor left ends by itself, at an app that does not close its side', async () => {
  const running = await startHaproxy()
  onTestFinished(() => running.stop())
  const edge = await haproxy.create(running.config, { log: silentLog })
  const port = await stubbornApp()
  await edge.serve(aTable(1, [{ hosts: ['shop.test'], targets: [{ instance: 'i-1', address: '127.0.0.1', port, ready: true }] }]))
  const visitor = connect(running.config.httpPort, '127.0.0.1')
  const key = 'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'
  visitor.write(`GET / HTTP/1.1\r\nHost: shop.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n${key}\r\n`)
  expect(String((await once(visitor, 'data'))[0])).toMatch(/^HTTP\/1.1 101/)
  visitor.end()
  await edge.serve(aTable(2, [{ hosts: ['shop.test'], targets: [{ instance: 'i-1', address: '127.0.0.1', port, ready: false }] }]))

  expect((await edge.inFlight(['i-1'])).get('i-1')).toEqual(1)
  await until('nothing is in flight', async () => (await edge.inFlight(['i-1'])).get('i-1') === 0, 20_000)
}, 40_000)

import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { pause } from '../lib/clock.ts'
import { endUnread } from './deadlines.ts'

/** Both ends of a connection whose server writes as much as its reader takes, and more. */
async function aWriter(): Promise<{ readonly written: Socket; readonly reader: Socket }> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const reader = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const [written] = (await once(server, 'connection')) as [Socket]
  written.on('error', () => undefined)
  reader.on('error', () => undefined)
  const fill = (): void => {
    while (!written.destroyed && written.write(Buffer.alloc(64 * 1024)));
  }
  written.on('drain', fill)
  fill()
  onTestFinished(() => {
    reader.destroy()
    written.destroy()
    server.close()
  })
  return { written, reader }
}

test('a connection ends when its client does not read the answer, and goes on when the client reads it slowly', async () => {
  const asleep = await aWriter()
  const slow = await aWriter()
  asleep.reader.pause()
  slow.reader.pause()
  const reading = setInterval(() => slow.reader.read(512 * 1024) ?? slow.reader.read(), 20)
  onTestFinished(() => clearInterval(reading))
  endUnread(asleep.written, { silenceMs: 400, lookMs: 50 })
  endUnread(slow.written, { silenceMs: 400, lookMs: 50 })

  await pause(1_500)

  expect(asleep.written.destroyed).toBe(true)
  expect(slow.written.destroyed).toBe(false)
})

test('a stream that has nothing to say is not unread', async () => {
  const { written, reader } = await aWriter()
  written.removeAllListeners('drain')
  reader.resume()
  await pause(200)
  endUnread(written, { silenceMs: 200, lookMs: 20 })

  await pause(600)

  expect(written.destroyed).toBe(false)
})

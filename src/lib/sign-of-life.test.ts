import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { until } from '../../test/support/until.ts'
import { SignOfLife } from './sign-of-life.ts'

const urlOf = (server: { address(): unknown }): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}/`

test('a program that takes questions and does not answer is silent, until it answers', async () => {
  const sockets: Socket[] = []
  const frozen = createServer((socket) => void sockets.push(socket)).listen(0, '127.0.0.1')
  await once(frozen, 'listening')
  const url = urlOf(frozen)
  const life = new SignOfLife(url)
  await until('it is silent', () => life.silentMs() >= 10_000, 20_000)

  for (const socket of sockets) socket.destroy()
  frozen.close()
  const there = createHttpServer((_request, response) => response.end('ok')).listen(Number(new URL(url).port), '127.0.0.1')
  onTestFinished(() => void there.close())

  await until('it answers', () => life.silentMs() === 0, 20_000)
}, 40_000)

test('a program that refuses connections starts or ends, and is not silent', async () => {
  const gone = createServer().listen(0, '127.0.0.1')
  await once(gone, 'listening')
  const life = new SignOfLife(urlOf(gone))
  gone.close()
  await once(gone, 'close')

  for (let look = 0; look < 20; look += 1) {
    expect(life.silentMs()).toBe(0)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
})

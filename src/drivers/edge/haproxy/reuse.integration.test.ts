import { Agent, request as httpRequest } from 'node:http'
import { expect, onTestFinished, test } from 'vitest'
import { aTable } from '../../../../test/support/edge.ts'
import { startHaproxy } from '../../../../test/support/haproxy.ts'
import { socketApp } from '../../../../test/support/socket-app.ts'
import { silentLog } from '../../../lib/log.ts'
import { haproxy } from './index.ts'

/** An app that ends every third connection at its first bytes, and every other one when it is used a second time. */
async function closingApp() {
  const seen = { answered: 0, closed: 0 }
  let connections = 0
  const port = await socketApp((socket) => {
    connections += 1
    const isBad = connections % 3 === 0
    let used = false
    socket.on('data', () => {
      if (used || isBad) {
        seen.closed += 1
        socket.resetAndDestroy()
        return
      }
      used = true
      seen.answered += 1
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
    })
  })
  return { seen, port }
}

async function served() {
  const running = await startHaproxy()
  onTestFinished(() => running.stop())
  const edge = await haproxy.create(running.config, { log: silentLog })
  const app = await closingApp()
  await edge.serve(aTable(1, [{ hosts: ['shop.test'], targets: [{ instance: 'i-1', address: '127.0.0.1', port: app.port, ready: true }] }]))
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  onTestFinished(() => agent.destroy())
  const send = (method: string, body = ''): Promise<number | string> =>
    new Promise((resolve) => {
      const request = httpRequest({
        host: '127.0.0.1',
        port: running.config.httpPort,
        agent,
        method,
        headers: { host: 'shop.test', ...(body === '' ? {} : { 'content-length': body.length }) },
      })
      request.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'error'))
      request.on('response', (response) => response.resume().on('end', () => resolve(response.statusCode ?? 0)))
      request.end(body)
    })
  return { edge, app, send }
}

test.each(['GET', 'HEAD', 'OPTIONS'])('%s that the app ends before it answers is sent again', async (method) => {
  const { edge, app, send } = await served()
  const answers: (number | string)[] = []

  for (let count = 0; count < 100; count += 1) answers.push(await send(method))

  expect(answers.filter((answer) => answer !== 200)).toEqual([])
  expect(app.seen.closed).toBeGreaterThan(20)
  // No visitor noticed, and yet the app cut a request: that is how a release shows that it crashes.
  expect((await edge.readings(['i-1'])).get('i-1')).toMatchObject({ requests: 100 + app.seen.closed, failures: app.seen.closed })
})

test.each([
  ['POST', 'order'],
  ['POST', ''],
  ['PUT', 'order'],
  ['GET', 'a body'],
])('%s with the body %j is never sent twice', async (method, body) => {
  const { app, send } = await served()
  const answers: (number | string)[] = []

  for (let count = 0; count < 20; count += 1) answers.push(await send(method, body))

  expect(app.seen.answered + app.seen.closed).toBeLessThanOrEqual(20)
  expect(answers.filter((answer) => answer === 200)).toHaveLength(app.seen.answered)
})

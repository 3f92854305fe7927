// A reload leaves visitors with kept connections at the old worker: whatever is deployed afterwards, none of their requests fails.
import { Agent, request as httpRequest } from 'node:http'
import { expect, onTestFinished, test } from 'vitest'
import { anApp } from '../../../../test/support/an-app.ts'
import { aTable, target } from '../../../../test/support/edge.ts'
import { startHaproxy } from '../../../../test/support/haproxy.ts'
import { until } from '../../../../test/support/until.ts'
import { silentLog } from '../../../lib/log.ts'
import { haproxy } from './index.ts'
import { MasterSocket } from './socket.ts'
import { masterSocketPath } from './start.ts'

const VISITOR = '127.0.0.9'

/** A visitor with one kept connection. */
function aVisitor(port: number) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1, localAddress: VISITOR })
  onTestFinished(() => agent.destroy())
  return (method: string, path = '/'): Promise<{ readonly status: number | string; readonly body: string }> =>
    new Promise((resolve) => {
      const body = method === 'POST' ? 'order' : ''
      const headers = { host: 'shop.test', ...(body === '' ? {} : { 'content-length': body.length }) }
      const request = httpRequest({ host: '127.0.0.1', port, agent, method, path, headers })
      request.on('error', (error: NodeJS.ErrnoException) => resolve({ status: error.code ?? 'error', body: '' }))
      request.on('response', (response) => {
        let text = ''
        response.setEncoding('utf8').on('data', (part: string) => {
          text += part
        })
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text }))
      })
      request.end(body)
    })
}

test('after a reload and a deployment 40 visitors with idle kept connections are answered by the new instances', async () => {
  const running = await startHaproxy({ pool: { http: { 8: 2, 32: 0, 128: 0 }, h2c: { 8: 0, 32: 0, 128: 0 } } })
  onTestFinished(() => running.stop())
  const edge = await haproxy.create(running.config, { log: silentLog })
  const old = await anApp('old')
  await edge.serve(aTable(1, [{ hosts: ['shop.test'], targets: [target(old)] }]))
  const visitors = Array.from({ length: 40 }, () => aVisitor(running.config.httpPort))
  for (const visit of visitors) expect((await visit('GET')).body).toEqual('old')

  // Nine instances need a larger backend than there is: the pool grows by a reload, and the old worker lacks the new backend.
  const fresh = await Promise.all(Array.from({ length: 9 }, (_, at) => anApp(`new-${at}`)))
  await edge.serve(aTable(2, [{ hosts: ['shop.test'], targets: [target(old), ...fresh.map((app) => target(app))] }]))
  await edge.serve(aTable(3, [{ hosts: ['shop.test'], targets: [target(old, false), ...fresh.map((app) => target(app))] }]))
  await until('nothing is in flight to the old one', async () => (await edge.inFlight(['old'])).get('old') === 0)
  await old.kill()
  await edge.serve(aTable(4, [{ hosts: ['shop.test'], targets: fresh.map((app) => target(app)) }]))

  const { old: left } = await new MasterSocket(masterSocketPath(running.config)).workers()
  expect(left).toHaveLength(1)
  const slow = visitors[0]?.('GET', '/slow?ms=700')
  const answers = await Promise.all(visitors.slice(1).map((visit, at) => visit(at % 2 === 0 ? 'GET' : 'POST')))

  expect(answers.filter(({ status, body }) => status !== 200 || !body.startsWith('new-'))).toEqual([])
  // What an old worker hands over is in flight to an instance, and is counted.
  const names = fresh.map(({ name }) => name)
  await until('the slow one is counted', async () => [...(await edge.inFlight(names)).values()].reduce((sum, count) => sum + count, 0) === 1)
  expect(await slow).toMatchObject({ status: 200 })
})

test('a visitor whose request was handed over is seen with their own address', async () => {
  const running = await startHaproxy({ pool: { http: { 8: 1, 32: 0, 128: 0 }, h2c: { 8: 0, 32: 0, 128: 0 } } })
  onTestFinished(() => running.stop())
  const edge = await haproxy.create(running.config, { log: silentLog })
  const app = await anApp('i-1')
  await edge.serve(aTable(1, [{ hosts: ['shop.test'], targets: [target(app)] }]))
  const visit = aVisitor(running.config.httpPort)
  await visit('GET')
  const many = Array.from({ length: 4 }, (_, at) => ({ hosts: [`h${at}.test`], targets: [{ ...target(app), instance: `other-${at}` }] }))
  await edge.serve(aTable(2, [{ hosts: ['shop.test'], targets: [target(app)] }, ...many]))

  const { body } = await visit('GET', '/headers')

  expect(JSON.parse(body)).toMatchObject({
    'x-forwarded-for': VISITOR,
    'x-real-ip': VISITOR,
    'x-forwarded-host': 'shop.test',
    'x-forwarded-port': String(running.config.httpPort),
    'x-forwarded-proto': 'http',
  })
})

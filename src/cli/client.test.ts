import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { endpoints } from '../api/contract/endpoints.ts'
import { run } from '../lib/run.ts'
import { connectTo, ServerSilent } from './client.ts'

test('a call to a server that takes connections and says nothing fails within 10 s, and says what is wrong', async () => {
  const sockets: Socket[] = []
  const frozen = createServer((socket) => void sockets.push(socket)).listen(0, '127.0.0.1')
  await once(frozen, 'listening')
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    frozen.close()
  })
  const url = `http://127.0.0.1:${(frozen.address() as AddressInfo).port}`
  const began = performance.now()

  const failure = await connectTo({ url, token: null })
    .call(endpoints.listApps, {})
    .catch((error: unknown) => error)

  expect(failure).toBeInstanceOf(ServerSilent)
  expect(String(failure)).toMatch(/has not answered for 10 s.*its process hangs.*lockgate doctor/)
  expect(performance.now() - began).toBeLessThan(11_500)
}, 20_000)

test('an answer that takes longer is waited for while the server says that it is there', async () => {
  const slow = createHttpServer((request, response) => {
    const body = request.url === endpoints.health.path ? { status: 'ok', version: '1' } : []
    setTimeout(() => response.setHeader('content-type', 'application/json').end(JSON.stringify(body)), request.url === endpoints.health.path ? 0 : 11_000)
  }).listen(0, '127.0.0.1')
  await once(slow, 'listening')
  onTestFinished(() => void slow.close())
  const url = `http://127.0.0.1:${(slow.address() as AddressInfo).port}`

  expect(await connectTo({ url, token: null }).call(endpoints.listApps, {})).toEqual([])
}, 20_000)

test('a program ends when its answer comes while the server is asked whether it is there', async () => {
  let answerCall = (): void => undefined
  const slow = createHttpServer((request, response) => {
    const isHealth = request.url === endpoints.health.path
    const answer = (): void => void response.setHeader('content-type', 'application/json').end(JSON.stringify(isHealth ? { status: 'ok', version: '1' } : []))
    if (!isHealth) {
      answerCall = answer
      return
    }
    setTimeout(answer, 500)
    answerCall()
    answerCall = () => undefined
  }).listen(0, '127.0.0.1')
  await once(slow, 'listening')
  onTestFinished(() => {
    slow.closeAllConnections()
    slow.close()
  })
  const url = `http://127.0.0.1:${(slow.address() as AddressInfo).port}`
  const program = `
    import { endpoints } from '${import.meta.resolve('../api/contract/endpoints.ts')}'
    import { connectTo } from '${import.meta.resolve('./client.ts')}'
    console.log(JSON.stringify(await connectTo({ url: '${url}', token: null }).call(endpoints.listApps, {})))`

  const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', program], { timeoutMs: 20_000 })

  expect(stdout).toBe('[]\n')
}, 30_000)

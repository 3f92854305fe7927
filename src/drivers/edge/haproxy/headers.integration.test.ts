import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { expect, onTestFinished, test } from 'vitest'
import { anApp } from '../../../../test/support/an-app.ts'
import { aTable, target } from '../../../../test/support/edge.ts'
import { startHaproxy } from '../../../../test/support/haproxy.ts'
import { silentLog } from '../../../lib/log.ts'
import { haproxy } from './index.ts'

test('names of headers reach an app as most write them, others as HAProxy does', async () => {
  const running = await startHaproxy()
  onTestFinished(() => running.stop())
  const edge = await haproxy.create(running.config, { log: silentLog })
  await edge.serve(aTable(1, [{ hosts: ['shop.test'], targets: [target(await anApp('i-1'))] }]))

  const socket = connect(running.config.httpPort, '127.0.0.1')
  socket.write('GET /header-names HTTP/1.1\r\nhost: shop.test\r\nAUTHORIZATION: Bearer x\r\nuser-agent: t\r\nX-Own-Name: 1\r\nconnection: close\r\n\r\n')
  const answer = await text(socket)

  const names = JSON.parse(answer.slice(answer.indexOf('\r\n\r\n') + 4).replace(/^[0-9a-f]+\r\n|\r\n0\r\n\r\n$/g, ''))
  expect(names).toEqual(expect.arrayContaining(['Host', 'Authorization', 'User-Agent', 'X-Forwarded-For', 'X-Forwarded-Proto', 'X-Request-Id', 'x-own-name']))
})

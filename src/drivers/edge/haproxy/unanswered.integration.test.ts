import { expect, onTestFinished, test } from 'vitest'
import { anApp } from '../../../../test/support/an-app.ts'
import { ask, aTable, target } from '../../../../test/support/edge.ts'
import { startHaproxy } from '../../../../test/support/haproxy.ts'
import { until } from '../../../../test/support/until.ts'
import { silentLog } from '../../../lib/log.ts'
import { haproxy } from './index.ts'

test('every request that HAProxy answers for want of an instance is counted for the arm, and what an instance answers is not', async () => {
  const running = await startHaproxy()
  onTestFinished(() => running.stop())
  const edge = await haproxy.create(running.config, { log: silentLog })
  const app = await anApp('i-1')
  const table = aTable(1, [{ hosts: ['shop.test'], targets: [target(app)] }])
  const arm = table.arms[0]?.id ?? ''
  await edge.serve(table)
  for (let count = 0; count < 5; count += 1) await ask(running.config.httpPort, 'shop.test')
  expect((await edge.unanswered([arm])).get(arm)).toMatchObject({ requests: 0, failures: 0 })

  await app.kill()
  await ask(running.config.httpPort, 'shop.test')
  await until('the check has taken it out', async () => (await edge.takenOut()).includes('i-1'))
  const before = (await edge.unanswered([arm])).get(arm)?.failures ?? 0
  const answers = await Promise.all(Array.from({ length: 10 }, () => ask(running.config.httpPort, 'shop.test')))

  expect(answers.map(({ status }) => status)).toEqual(new Array(10).fill(503))
  expect((await edge.unanswered([arm])).get(arm)?.failures).toEqual(before + 10)
})

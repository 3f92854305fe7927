import { onTestFinished } from 'vitest'
import { startHaproxy } from '../../../../test/support/haproxy.ts'
import { silentLog } from '../../../lib/log.ts'
import { edgeContract } from '../contract.ts'
import { haproxy } from './index.ts'

edgeContract(async () => {
  const running = await startHaproxy()
  onTestFinished(() => running.stop())
  const open = () => haproxy.create(running.config, { log: silentLog })
  return { edge: await open(), port: running.config.httpPort, reopen: open }
})

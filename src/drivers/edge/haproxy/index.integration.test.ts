import { onTestFinished } from 'vitest'
import { startHaproxy } from '../../../../test/support/haproxy.ts'
import { silentLog } from '../../../lib/log.ts'
import { type EdgeUnderTest, edgeContract } from '../contract.ts'
import { edgeTrafficContract } from '../contract-traffic.ts'
import { haproxy } from './index.ts'

async function open(): Promise<EdgeUnderTest> {
  const running = await startHaproxy()
  onTestFinished(() => running.stop())
  const reopen = () => haproxy.create(running.config, { log: silentLog })
  return { edge: await reopen(), port: running.config.httpPort, reopen }
}

edgeContract(open)
edgeTrafficContract(open)

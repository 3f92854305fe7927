import { readFileSync } from 'node:fs'
import { endpoints } from '../../src/api/contract/endpoints.ts'
import { pause } from '../../src/lib/clock.ts'
import { run } from '../../src/lib/run.ts'
import { testImage } from '../../test/support/images.ts'
import { anInstallation } from '../../test/support/installation.ts'
import { type Figure, median, ms } from './figure.ts'

const APPS = 10
const STARTS = 5

/** How soon the server answers after its start, and what it keeps in memory with ten apps and nothing to do. */
export async function server(): Promise<Figure[]> {
  const lockgate = await anInstallation({ range: '10.223.0.0/16', built: true, settings: { logLevel: 'info' } })
  try {
    const image = await testImage(lockgate.boxes, 'hello', 'one')
    for (let at = 0; at < APPS; at++) {
      await lockgate.call(endpoints.createApp, { body: { name: `app-${at}` } })
      await lockgate.deploy(`app-${at}`, { verb: 'deploy', image })
    }
    const starts: number[] = []
    for (let at = 0; at < STARTS; at++) {
      await lockgate.stopServer()
      const began = performance.now()
      await lockgate.start()
      starts.push(performance.now() - began)
    }
    await pause(20_000)
    const residentMb = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${lockgate.pid()}/status`, 'utf8'))?.[1]) / 1024
    const bare = await bareNode()
    return [
      {
        what: `server ready after start, ${APPS} apps`,
        measured: `${ms(median(starts))} (median of ${STARTS})`,
        beside: `node -e 0: ${ms(bare.ms)}`,
        reach: '≤ 1.5 s',
        reached: median(starts) <= 1_500,
      },
      {
        what: `server resident memory, idle, ${APPS} apps`,
        measured: `${residentMb.toFixed(0)} MB`,
        beside: `an empty Node process: ${bare.residentMb.toFixed(0)} MB`,
        reach: '≤ 160 MB',
        reached: residentMb <= 160,
      },
    ]
  } finally {
    await lockgate.stop()
  }
}

async function bareNode(): Promise<{ readonly ms: number; readonly residentMb: number }> {
  const began = performance.now()
  await run(process.execPath, ['-e', '0'])
  const took = performance.now() - began
  const { stdout } = await run(process.execPath, ['-p', 'process.memoryUsage.rss()'])
  return { ms: took, residentMb: Number(stdout) / 1024 / 1024 }
}

import { cpus, totalmem } from 'node:os'
import { removeLeftovers } from '../test/leftovers.ts'
import { builds } from './builds.ts'
import { compare } from './compare.ts'
import { deployments } from './deployments.ts'
import { edgeCpu } from './edge-cpu.ts'
import { type Figure, report } from './figure.ts'
import { proxies } from './proxies.ts'
import { push } from './push.ts'
import { rollback } from './rollback.ts'
import { routes } from './routes.ts'
import { server } from './server.ts'

async function edge(): Promise<Figure[]> {
  const { ours, baseline, ratio } = await edgeCpu()
  return [
    {
      what: 'edge: CPU per request',
      measured: `${ours.toFixed(1)} µs, ratio ${ratio.toFixed(2)}`,
      beside: `a static HAProxy configuration by hand: ${baseline.toFixed(1)} µs`,
      reach: '≤ 1.1 ×',
      reached: ratio <= 1.1,
    },
  ]
}

const PARTS: Readonly<Record<string, () => Promise<Figure[]>>> = { builds, compare, deployments, push, rollback, edge, routes, proxies, server }

const asked = process.argv.slice(2)
const unknown = asked.filter((name) => !(name in PARTS))
if (unknown.length > 0) throw new Error(`there is no part ${unknown.join(', ')}; there are ${Object.keys(PARTS).join(', ')}`)
await removeLeftovers()
const figures: Figure[] = []
for (const [name, part] of Object.entries(PARTS)) {
  if (asked.length > 0 && !asked.includes(name)) continue
  process.stderr.write(`· ${name}\n`)
  figures.push(...(await part()))
}
process.stdout.write(
  `\n${cpus().length} cores (${cpus()[0]?.model ?? ''}), ${Math.round(totalmem() / 1024 ** 3)} GB, ${new Date().toISOString().slice(0, 10)}\n\n${report(figures)}\n`,
)
process.exit(figures.every((figure) => figure.reached) ? 0 : 1)

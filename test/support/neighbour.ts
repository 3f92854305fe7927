// A machine on a private network of this host: a network namespace with a private and a link-local address, and a server on both.
import type { ChildProcess } from 'node:child_process'
import { launch, run } from '../../src/lib/run.ts'
import { until } from './until.ts'

export interface Neighbour {
  /** `address:port` of its private address, and of the one where clouds keep credentials. */
  readonly places: readonly string[]
  readonly network: string
  stop(): Promise<void>
}

const LINK_LOCAL = '169.254.169.254'
const PORT = 8111

/** `word` stands in the names of what is made. */
export async function startNeighbour(word: string): Promise<Neighbour> {
  const [outer, inner, space] = [`lgo${word}`.slice(0, 15), `lgi${word}`.slice(0, 15), `lockgate-${word}`]
  const third = Math.floor(Math.random() * 250)
  const network = `10.119.${third}.0/30`
  const [host, guest] = [`10.119.${third}.1`, `10.119.${third}.2`]
  const ip = (...words: string[]) => run('ip', words)
  await ip('netns', 'add', space)
  await ip('link', 'add', outer, 'type', 'veth', 'peer', 'name', inner)
  await ip('link', 'set', inner, 'netns', space)
  await ip('addr', 'add', `${host}/30`, 'dev', outer)
  await ip('link', 'set', outer, 'up')
  for (const words of [
    ['addr', 'add', `${guest}/30`, 'dev', inner],
    ['addr', 'add', `${LINK_LOCAL}/32`, 'dev', inner],
    ['link', 'set', inner, 'up'],
    ['link', 'set', 'lo', 'up'],
    ['route', 'add', 'default', 'via', host],
  ])
    await ip('-n', space, ...words)
  await ip('route', 'add', `${LINK_LOCAL}/32`, 'via', guest)
  const program = `for (const port of [${PORT}, 25]) require('net').createServer((s) => s.on('error', () => {}).end('hi')).listen(port)`
  const server: ChildProcess = launch('ip', ['netns', 'exec', space, process.execPath, '-e', program])
  const places = [guest, LINK_LOCAL].map((address) => `${address}:${PORT}`)
  await until('the neighbour listens', async () => (await run('ip', ['netns', 'exec', space, 'ss', '-Hltn'], { anyStatus: true })).stdout.includes(`:${PORT}`))
  return {
    places,
    network,
    stop: async () => {
      server.kill('SIGKILL')
      await until('the neighbour is gone', async () => server.exitCode !== null || server.signalCode !== null)
      await run('ip', ['route', 'del', `${LINK_LOCAL}/32`], { anyStatus: true })
      await run('ip', ['link', 'del', outer], { anyStatus: true })
      await run('ip', ['netns', 'del', space], { anyStatus: true })
    },
  }
}

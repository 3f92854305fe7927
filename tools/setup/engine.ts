import { existsSync, readFileSync } from 'node:fs'
import { request } from 'node:http'
import { pause } from '../../src/lib/clock.ts'
import { run } from '../../src/lib/run.ts'
import type { Kept } from '../../src/supervisor.ts'
import { hasSystemd, SetupError, say } from './places.ts'

/** The engine's socket on this machine. */
export const SOCKET = process.env['DOCKER_SOCKET'] ?? '/var/run/docker.sock'

/** Whether a Docker Engine answers on its socket. */
export function engineAnswers(): Promise<boolean> {
  return new Promise((resolve) => {
    const asking = request({ socketPath: SOCKET, path: '/_ping', timeout: 5_000 }, (response) => {
      response.resume()
      resolve(response.statusCode === 200)
    })
    asking.on('timeout', () => asking.destroy())
    asking.on('error', () => resolve(false))
    asking.end()
  })
}

/** The engine as a program of ours, where nobody else starts one. */
export const ENGINE: Kept = { name: 'engine', file: 'dockerd', args: ['--host', `unix://${SOCKET}`, '--live-restore'], env: {}, listen: [] }

/**
 * Makes an engine answer: one that is there is used as it is; an installed service is started; else ours has to be kept
 * alive, which the answer says.
 */
export async function ensureEngine(keptByUs: boolean): Promise<{ readonly ours: boolean }> {
  if (await engineAnswers()) return { ours: keptByUs }
  if (hasSystemd() && existsSync('/lib/systemd/system/docker.service')) {
    say('· starting the Docker engine (systemd)')
    await run('systemctl', ['enable', '--now', 'docker.service'], { timeoutMs: 120_000 })
    await waitForEngine()
    return { ours: false }
  }
  return { ours: true }
}

/** `log`: the file of an engine we keep alive ourselves; its last words say why it does not start. */
export async function waitForEngine(log?: string): Promise<void> {
  const deadline = performance.now() + 60_000
  while (!(await engineAnswers())) {
    const words = log === undefined || !existsSync(log) ? '' : readFileSync(log, 'utf8')
    const reason = /failed to start daemon: .*/.exec(words)?.[0]
    if (reason !== undefined || performance.now() > deadline) {
      throw new SetupError(`no Docker engine answers on ${SOCKET}${reason === undefined ? '' : `: ${reason}`}. Its log: ${log ?? 'journalctl -u docker'}`)
    }
    await pause(100)
  }
}

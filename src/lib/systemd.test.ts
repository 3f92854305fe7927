import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { notifySystemd } from './systemd.ts'

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lockgate-notify-'))
  // systemd-notify refuses without $NOTIFY_SOCKET; this one writes down what it would send, and where to.
  await writeFile(join(folder, 'systemd-notify'), `#!/bin/sh\n: "\${NOTIFY_SOCKET:?}"\necho "$NOTIFY_SOCKET $*" >${folder}/sent\n`, { mode: 0o755 })
  vi.stubEnv('PATH', `${folder}:${process.env['PATH']}`)
})

afterEach(async () => {
  vi.unstubAllEnvs()
  await rm(folder, { recursive: true })
})

test('the fields go to the socket that systemd named', async () => {
  vi.stubEnv('NOTIFY_SOCKET', '/run/systemd/notify')

  await notifySystemd('WATCHDOG=1', 'WATCHDOG_USEC=30000000')

  expect(await readFile(join(folder, 'sent'), 'utf8')).toBe('/run/systemd/notify WATCHDOG=1 WATCHDOG_USEC=30000000\n')
})

test('nothing is started where no systemd wants to be told', async () => {
  vi.stubEnv('NOTIFY_SOCKET', undefined)

  await notifySystemd('WATCHDOG=1')

  await expect(readFile(join(folder, 'sent'))).rejects.toThrow('ENOENT')
})

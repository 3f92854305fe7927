import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SERVER_FLAGS } from './node-flags.ts'
import { launch } from './run.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lockgate-test-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** Passes `here` three times, in a process of its own; gives how often it got past, and the signal that ended it. */
async function pass(environment: Readonly<Record<string, string>>): Promise<{ readonly passed: string; readonly signal: string | null }> {
  const program = `
    import { failpoint } from ${JSON.stringify(new URL('./failpoint.ts', import.meta.url).href)}
    for (const time of [1, 2, 3]) { failpoint('there'); failpoint('here'); process.stdout.write(String(time)) }`
  const child = launch(process.execPath, [...SERVER_FLAGS, '--input-type=module', '--eval', program], { env: environment })
  let passed = ''
  child.stdout?.on('data', (chunk: Buffer) => {
    passed += chunk.toString()
  })
  child.stdin?.end()
  const signal = await new Promise<string | null>((resolve) => child.on('close', (_status, by) => resolve(by)))
  return { passed, signal }
}

async function armed(point: string): Promise<string> {
  const file = join(folder, 'point')
  await writeFile(file, `${point}\n`)
  return file
}

describe('a failpoint', () => {
  test('ends its process by SIGKILL where the file says, and takes the file away', async () => {
    const file = await armed('here')

    expect(await pass({ LOCKGATE_TEST_MODE: 'crash', LOCKGATE_FAILPOINT_FILE: file })).toEqual({ passed: '', signal: 'SIGKILL' })
    expect(existsSync(file)).toBe(false)
  })

  test('waits for the time that is asked for', async () => {
    const file = await armed('here#3')

    expect(await pass({ LOCKGATE_TEST_MODE: 'crash', LOCKGATE_FAILPOINT_FILE: file })).toEqual({ passed: '12', signal: 'SIGKILL' })
  })

  test('does nothing without both variables, whatever the file says', async () => {
    const file = await armed('here')

    expect(await pass({ LOCKGATE_FAILPOINT_FILE: file })).toEqual({ passed: '123', signal: null })
    expect(await pass({ LOCKGATE_TEST_MODE: 'yes', LOCKGATE_FAILPOINT_FILE: file })).toEqual({ passed: '123', signal: null })
    expect(await pass({ LOCKGATE_TEST_MODE: 'crash' })).toEqual({ passed: '123', signal: null })
    expect(existsSync(file)).toBe(true)
  })
})

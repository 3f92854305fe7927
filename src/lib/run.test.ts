import { expect, test } from 'vitest'
import { codeOf, messageOf } from './errors.ts'
import { launch, run } from './run.ts'

test('arguments arrive as they are: no shell looks at them', async () => {
  const hostile = '$HOME; echo `id` $(id) > /tmp/x && * "'
  expect((await run('printf', ['%s|', hostile, 'a b'])).stdout).toBe(`${hostile}|a b|`)
})

test('a program is not looked for in a line of text', async () => {
  await expect(run('printf hello', [])).rejects.toMatchObject({ code: 'run.failed' })
})

test('nothing of our environment is inherited but PATH', async () => {
  process.env['LOCKGATE_TEST_SECRET'] = 'of the server'
  try {
    const { stdout } = await run('env', [], { env: { ONLY: 'this' } })
    expect(stdout.split('\n').filter((line) => !line.startsWith('PATH='))).toEqual(['ONLY=this', ''])
  } finally {
    delete process.env['LOCKGATE_TEST_SECRET']
  }
})

test('a program that fails says how, with the end of what it complained of', async () => {
  const error: unknown = await run('cat', ['/nowhere/at/all']).catch((one: unknown) => one)
  expect([codeOf(error), messageOf(error)]).toEqual(['run.failed', expect.stringMatching(/^cat \/nowhere\/at\/all exited with 1: .*No such file/)])
})

test('any exit status is an answer when that was asked for', async () => {
  expect((await run('false', [], { anyStatus: true })).status).toBe(1)
})

test('what it reads is what we give, and then its input ends', async () => {
  expect((await run('cat', [], { input: 'from us' })).stdout).toBe('from us')
})

test('a program that does not read its input fails no run', async () => {
  expect((await run('true', [], { input: 'x'.repeat(1_000_000) })).status).toBe(0)
})

test('a program that runs too long is ended', async () => {
  await expect(run('sleep', ['30'], { timeoutMs: 50 })).rejects.toThrow(/was ended by SIGKILL/)
})

test('one we no longer wait for is ended', async () => {
  const stop = new AbortController()
  const running = run('sleep', ['30'], { signal: stop.signal })
  stop.abort()
  await expect(running).rejects.toMatchObject({ code: 'run.failed' })
})

test('launched programs keep the same rules', async () => {
  const child = launch('printf', ['%s', '$PATH'])
  const chunks: string[] = []
  child.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk.toString()))
  await new Promise((resolve) => child.on('close', resolve))
  expect(chunks.join('')).toBe('$PATH')
})

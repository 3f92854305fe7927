import { expect, test } from 'vitest'
import { systemClock } from '../../lib/clock.ts'
import { BuildLog } from './log.ts'

function aLog(secrets: readonly string[]) {
  const written: string[] = []
  const log = new BuildLog({ append: async (_key, { text }) => void written.push(text) }, { key: 'build/b-1', clock: systemClock, secrets })
  return { log, written }
}

test('a secret in a line is masked', () => {
  const { log, written } = aLog(['hunter2hunter2'])

  log.line('token=hunter2hunter2 done')

  expect(written).toEqual(['token=*** done'])
})

test.each([1, 5, 13])('a secret that was cut after %i of its characters is masked', (cut) => {
  const secret = 'hunter2hunter2'
  const { log, written } = aLog([secret])
  const first = 'x'.repeat(16 * 1024 - cut) + secret.slice(0, cut)

  log.line(first)
  log.line(`${secret.slice(cut)} and more`)
  log.end()

  const all = written.join('')
  expect(all).not.toContain(secret)
  expect(all).toBe(`${'x'.repeat(16 * 1024 - cut)}*** and more`)
})

test('the end of an endless line is written when nothing more comes', () => {
  const { log, written } = aLog(['hunter2hunter2'])

  log.line('y'.repeat(16 * 1024))
  log.end()

  expect(written.join('')).toBe('y'.repeat(16 * 1024))
})

test('lines stay lines when nothing was cut', () => {
  const { log, written } = aLog(['hunter2hunter2'])

  for (const line of ['one', '', 'hunter2']) log.line(line)
  log.end()

  expect(written).toEqual(['one', '', 'hunter2'])
})

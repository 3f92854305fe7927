import { expect, test } from 'vitest'
import { ADA } from '../../../test/support/core.ts'
import { aSteppedCore } from '../../../test/support/stepped.ts'
import { revise } from './revise.ts'

async function anEnvironment() {
  const { context, environment } = await aSteppedCore(`127.${190 + (process.pid % 60)}.0.0/16`)
  return (change: Partial<Parameters<typeof revise>[1]>) => revise(context, { actor: ADA, environment, set: {}, secret: [], unset: [], ...change })
}

test('what no program can be given is refused, secrets counted', async () => {
  const change = await anEnvironment()
  const values = (prefix: string, count: number) => Object.fromEntries(Array.from({ length: count }, (_, at) => [`${prefix}${at}`, 'x'.repeat(60_000)]))
  await change({ set: values('PLAIN', 8) })
  const secret = values('SECRET', 8)
  await change({ set: secret, secret: Object.keys(secret) })

  await expect(change({ set: values('MORE', 2) })).rejects.toMatchObject({ code: 'config.too_large', message: expect.stringContaining('1055 KiB') })
  expect((await change({ unset: ['PLAIN0', 'PLAIN1', 'PLAIN2'] })).revision.number).toBe(3)
  expect((await change({ set: values('MORE', 2) })).revision.number).toBe(4)
})

test('a change that changes nothing, and a key that is not there, make no revision', async () => {
  const change = await anEnvironment()

  await expect(change({})).rejects.toMatchObject({ code: 'config.nothing_changed' })
  await expect(change({ unset: ['constructor'] })).rejects.toMatchObject({ code: 'config.no_such_key' })
  expect((await change({ set: { constructor: 'x' } })).revision.values['constructor']).toEqual({ kind: 'plain', value: 'x' })
  expect((await change({ unset: ['constructor'] })).revision.number).toBe(2)
})

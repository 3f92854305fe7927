import { expect, test } from 'vitest'
import { until } from '../../test/support/until.ts'
import { pause } from './clock.ts'
import { ConflictError } from './errors.ts'
import { silentLog } from './log.ts'
import { type PassResult, WorkQueue } from './work-queue.ts'

interface Pass {
  readonly id: string
  readonly end: (result?: PassResult) => void
}

/** A queue whose passes end when the test says so. */
function aQueue(parallel?: number): { readonly queue: WorkQueue; readonly passes: Pass[] } {
  const passes: Pass[] = []
  const work = (id: string): Promise<PassResult> => new Promise((resolve) => passes.push({ id, end: (result = {}) => resolve(result) }))
  return { queue: new WorkQueue({ name: 'test', work, log: silentLog, ...(parallel === undefined ? {} : { parallel }) }), passes }
}

test('an id has one pass at a time, and one more when it was woken during it', async () => {
  const { queue, passes } = aQueue()
  for (let times = 0; times < 5; times += 1) queue.wake('a')
  expect(passes.map((pass) => pass.id)).toEqual(['a'])

  passes[0]?.end()
  await until('the second pass begins', () => passes.length === 2)
  passes[1]?.end()
  await queue.close()

  expect(passes).toHaveLength(2)
})

test('different ids pass side by side, no more than allowed', async () => {
  const { queue, passes } = aQueue(2)
  for (const id of ['a', 'b', 'c']) queue.wake(id)
  expect(passes.map((pass) => pass.id)).toEqual(['a', 'b'])

  passes[0]?.end()
  await until('the third begins', () => passes.length === 3)

  expect(passes[2]?.id).toBe('c')
  for (const pass of passes) pass.end()
  await queue.close()
})

test('a pass that asks to come back is waited for, and a wake is not', async () => {
  const { queue, passes } = aQueue()
  queue.wake('a')
  passes[0]?.end({ afterMs: 60_000 })
  await pause(1)
  queue.wake('a')

  expect(passes).toHaveLength(2)
  passes[1]?.end({ afterMs: 1 })
  await until('it comes back', () => passes.length === 3)
  passes[2]?.end()
  await queue.close()
})

test('a pass that throws comes back, and nothing it throws ends the loop', async () => {
  const errors: unknown[] = [new Error('bug'), new ConflictError('store.stale', 'look again'), 'text']
  const thrown: unknown[] = []
  const said: string[] = []
  const note = (message: string): void => void said.push(message)
  const queue = new WorkQueue({
    name: 'test',
    log: { ...silentLog, info: note, error: note },
    work: async () => {
      const error = errors.shift()
      if (error === undefined) return {}
      thrown.push(error)
      throw error
    },
  })
  queue.wake('a')
  await until('the first was thrown', () => thrown.length === 1)
  await pause(1)
  queue.wake('a')
  await until('the second was thrown', () => thrown.length === 2)
  await pause(1)
  queue.wake('a')
  await until('the third was thrown', () => thrown.length === 3)
  await queue.close()

  expect(said).toEqual(['pass failed', 'pass will be repeated', 'pass failed'])
})

test('closing waits for what runs and takes nothing new', async () => {
  const { queue, passes } = aQueue(1)
  queue.wake('a')
  queue.wake('b')
  const closing = queue.close()
  queue.wake('c')
  passes[0]?.end({ afterMs: 1 })
  await closing

  expect(passes.map((pass) => pass.id)).toEqual(['a'])
})

import { expect, test } from 'vitest'
import { aBuild, anArtifact } from '../../../test/support/builders.ts'
import { type Code, someCode } from '../../../test/support/code.ts'
import { ADA } from '../../../test/support/core.ts'
import { openFake } from '../../drivers/runtime/fake/index.ts'
import type { Runtime, Stored } from '../../drivers/runtime/types.ts'
import { UnavailableError } from '../../lib/errors.ts'
import { EVERYTHING } from '../actor/actor.ts'
import { cleanDisk } from './clean.ts'
import { seenBy } from './disk.ts'
import { type SurveyNeeds, surveyDisk } from './survey.ts'

const DAY_MS = 86_400_000

function stored(said: Partial<Stored> & Pick<Stored, 'name'>): Stored {
  return { kind: 'image', id: said.name, bytes: 100, isUsed: false, createdAt: 0, ...said }
}

interface Disk {
  readonly code: Code
  /** What is there, and goes when it is removed. */
  readonly there: Stored[]
  readonly context: Code & { readonly runtime: Runtime }
  readonly needs: SurveyNeeds & { readonly removeVolume: (name: string) => Promise<void> }
}

async function aDisk(things: (code: Code) => readonly Stored[]): Promise<Disk> {
  const code = await someCode()
  const there = [...things(code)]
  const take = async (id: string): Promise<boolean> => {
    const at = there.findIndex((one) => one.id === id || one.name === id)
    if (there[at]?.isUsed) return false
    if (at >= 0) there.splice(at, 1)
    return true
  }
  const runtime: Runtime = { ...openFake().runtime, stored: async () => [...there], removeImage: take }
  const needs = {
    folders: async () => ({ repositories: new Map([['shop', 7]]), logs: 5, database: 3 }),
    appOfVolume: (name: string) => /^cache-(.+)$/.exec(name)?.[1] ?? null,
    removeVolume: async (name: string) => void (await take(name)),
  }
  return { code, there, context: { ...code, runtime }, needs }
}

const names = (list: readonly { readonly name: string }[]): string[] => list.map((one) => one.name).toSorted()
const record = (code: Code, digest: string, said = {}): Promise<unknown> =>
  code.store.transaction((tx) => tx.artifacts.insert(anArtifact({ id: `t-${digest}`, projectId: code.app.projectId, appId: code.app.id, digest, ...said })))

test('what is recorded, used, just made or the newest of its kind stays; all else of ours goes', async () => {
  const { code, context, needs, there } = await aDisk(({ clock }) => [
    stored({ name: 'recorded' }),
    stored({ name: 'removed from the records' }),
    stored({ name: 'used', isUsed: true }),
    stored({ name: 'just made', createdAt: clock.now() }),
    stored({ name: 'of nobody' }),
    stored({ kind: 'base', name: `lockgate/node:24-${'a'.repeat(16)}`, createdAt: 1 }),
    stored({ kind: 'base', name: `lockgate/node:24-${'b'.repeat(16)}`, createdAt: 2 }),
    stored({ kind: 'base', name: `lockgate/node:22-${'c'.repeat(16)}`, createdAt: 1 }),
  ])
  await record(code, 'recorded')
  await record(code, 'removed from the records', { removedAt: 1 })
  const gone = await cleanDisk(context, needs, ADA)
  expect(names(gone)).toEqual([`lockgate/node:24-${'a'.repeat(16)}`, 'of nobody', 'removed from the records'])
  expect(names(there)).toEqual(['just made', `lockgate/node:22-${'c'.repeat(16)}`, `lockgate/node:24-${'b'.repeat(16)}`, 'recorded', 'used'])
  const events = await code.store.read.eventsAfter(EVERYTHING, 0, 100)
  expect(events.at(-1)).toMatchObject({ kind: 'disk.cleaned', actor: { kind: 'token', name: ADA.name }, data: { bytes: 300 } })
})

test('a cache goes when its app was not built for a week, or is gone', async () => {
  const { code, context, needs } = await aDisk(({ app }) => [
    stored({ kind: 'cache', name: `cache-${app.id}` }),
    stored({ kind: 'cache', name: 'cache-a-gone' }),
    stored({ kind: 'cache', name: 'images' }),
  ])
  const about = { projectId: code.app.projectId, appId: code.app.id, environmentId: code.production.id }
  await code.store.transaction((tx) => tx.builds.insert(aBuild({ ...about, id: 'b-old', createdAt: code.clock.now() - 8 * DAY_MS })))
  const mayGo = async (): Promise<unknown> => (await surveyDisk(context, needs)).filter(({ mayGo }) => mayGo !== null).map(({ id }) => id)
  expect(await mayGo()).toEqual(['cache-a-gone', `cache-${code.app.id}`])
  await code.store.transaction((tx) => tx.builds.insert(aBuild({ ...about, id: 'b-new', createdAt: code.clock.now() })))
  expect(await mayGo()).toEqual(['cache-a-gone'])
})

test('an image that somebody deploys while others are removed stays', async () => {
  const { code, context, needs, there } = await aDisk(() => [stored({ name: 'first', bytes: 200 }), stored({ name: 'wanted again' })])
  const runtime: Runtime = {
    ...context.runtime,
    removeImage: async (id) => {
      if (id === 'first') await record(code, 'wanted again')
      return context.runtime.removeImage(id)
    },
  }
  expect(names(await cleanDisk({ ...context, runtime }, needs, ADA))).toEqual(['first'])
  expect(names(there)).toEqual(['wanted again'])
})

test('what cannot be removed keeps nothing else from going, and is not said to be gone', async () => {
  const { context, needs } = await aDisk(() => [stored({ name: 'stuck', bytes: 200 }), stored({ name: 'of nobody' })])
  const runtime: Runtime = {
    ...context.runtime,
    removeImage: async (id) => {
      if (id === 'stuck') throw new UnavailableError('runtime.unreachable', 'not now')
      return context.runtime.removeImage(id)
    },
  }
  expect(names(await cleanDisk({ ...context, runtime }, needs, ADA))).toEqual(['of nobody'])
})

test('a survey names folders too, the largest thing first', async () => {
  const { context, needs } = await aDisk(() => [stored({ name: 'of nobody' })])
  expect((await surveyDisk(context, needs)).map(({ kind, bytes }) => [kind, bytes])).toEqual([
    ['leftover', 100],
    ['repository', 7],
    ['logs', 5],
    ['database', 3],
  ])
})

test('a caller of one project sees its own and what is shared by name, and everything else as one sum', async () => {
  const { code, context, needs } = await aDisk(({ app }) => [
    stored({ name: 'own image', bytes: 1_000 }),
    stored({ name: 'of secret-app', bytes: 30 }),
    stored({ kind: 'base', name: `lockgate/node:24-${'a'.repeat(16)}`, bytes: 200 }),
    stored({ kind: 'cache', name: `cache-${app.id}`, bytes: 400 }),
    stored({ kind: 'cache', name: 'cache-a-gone', bytes: 2 }),
  ])
  await record(code, 'own image')
  const all = await surveyDisk(context, needs)
  const total = (items: readonly { readonly bytes: number }[]): number => items.reduce((sum, { bytes }) => sum + bytes, 0)

  const own = seenBy(all, code.app.projectId)
  const stranger = seenBy(all, 'p-other')

  expect(seenBy(all, null)).toEqual(all)
  expect(own.map(({ kind, bytes }) => `${kind} ${bytes}`).toSorted()).toEqual([
    'artifact 1000',
    'base 200',
    'cache 400',
    'database 3',
    'logs 5',
    'others 32',
    'repository 7',
  ])
  expect(stranger.map(({ kind, bytes }) => `${kind} ${bytes}`).toSorted()).toEqual(['base 200', 'database 3', 'logs 5', 'others 1439'])
  for (const seen of [own, stranger]) expect(total(seen)).toBe(total(all))
  expect(JSON.stringify(stranger)).not.toContain('shop')
  expect(JSON.stringify(own)).not.toContain('secret-app')
})

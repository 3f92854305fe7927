import { expect, test } from 'vitest'
import { type ActorRef, EVERYTHING } from '../core/actor/actor.ts'
import type { App, AppName } from '../core/app/app.ts'
import type { Event } from '../core/event/event.ts'
import type { Store } from './types.ts'

const ADA: ActorRef = { kind: 'token', id: 'k-ada', name: 'ada' }

/** What every store must do; `open` gives a fresh, empty one. */
export function storeContract(open: () => Promise<Store>): void {
  async function withApp(): Promise<{ store: Store; app: App }> {
    const store = await open()
    const app = await store.transaction(async (tx) => {
      await tx.projects.insert({ id: 'p-1', name: 'default', createdAt: 1 })
      return tx.apps.insert({
        id: 'a-1',
        projectId: 'p-1',
        name: 'shop' as AppName,
        root: '',
        watch: [],
        createdAt: 1,
        removedAt: null,
        goneAt: null,
        version: 1,
      })
    })
    return { store, app }
  }

  test('what was inserted is read back as it was', async () => {
    const { store, app } = await withApp()

    expect(await store.read.apps.get(EVERYTHING, 'a-1')).toEqual(app)
  })

  test('a row of another project is not there', async () => {
    const { store } = await withApp()

    expect(await store.read.apps.find({ projectId: 'p-2' }, 'a-1')).toBeNull()
    await expect(store.read.apps.get({ projectId: 'p-2' }, 'a-1')).rejects.toMatchObject({ code: 'app.not_found' })
  })

  test('of two savers that read the same version one is told that it is stale', async () => {
    const { store, app } = await withApp()
    const save = () => store.transaction((tx) => tx.apps.save(app, { ...app, removedAt: 7 }))

    const outcomes = await Promise.allSettled([save(), save()])

    expect(outcomes.map((outcome) => outcome.status).sort()).toEqual(['fulfilled', 'rejected'])
    expect(outcomes.find((outcome) => outcome.status === 'rejected')).toMatchObject({ reason: { code: 'store.stale' } })
  })

  test('a transaction that throws leaves nothing, and tells nobody', async () => {
    const { store } = await withApp()
    const heard: Event[] = []
    store.onCommit(({ events }) => heard.push(...events))

    const failing = store.transaction(async (tx) => {
      await tx.projects.insert({ id: 'p-2', name: 'other', createdAt: 1 })
      await tx.record({ kind: 'project.created', actor: ADA, projectId: 'p-2' })
      throw new Error('no')
    })

    await expect(failing).rejects.toThrow('no')
    expect(await store.read.projects.find(EVERYTHING, 'p-2')).toBeNull()
    expect(heard).toEqual([])
  })

  test('events are chained, in order, and told after the commit', async () => {
    const { store } = await withApp()
    const heard: string[] = []
    store.onCommit(({ events }) => heard.push(...events.map((event) => event.kind)))

    await store.transaction(async (tx) => {
      await tx.record({ kind: 'app.created', actor: ADA, projectId: 'p-1', data: { name: 'shop' } })
      await tx.record({ kind: 'app.removed', actor: ADA, projectId: 'p-1' })
    })

    expect(heard).toEqual(['app.created', 'app.removed'])
    expect((await store.read.eventsAfter(EVERYTHING, 0, 10)).map((event) => event.seq)).toEqual([1, 2])
    expect(await store.verifyEvents()).toBeNull()
  })

  test('two apps cannot have one name while both are there', async () => {
    const { store, app } = await withApp()

    await expect(store.transaction((tx) => tx.apps.insert({ ...app, id: 'a-2' }))).rejects.toThrow(/UNIQUE|unique/)
  })

  test('an edge generation only grows', async () => {
    const { store } = await withApp()

    const first = await store.transaction((tx) => tx.nextEdgeGeneration())
    const second = await store.transaction((tx) => tx.nextEdgeGeneration())

    expect(second).toBe(first + 1)
    expect(await store.read.edgeGeneration()).toBe(second)
  })
}

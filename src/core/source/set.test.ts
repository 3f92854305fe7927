import { expect, test } from 'vitest'
import { anotherHost, type Code, someCode } from '../../../test/support/code.ts'
import { ADA } from '../../../test/support/core.ts'
import { EVERYTHING } from '../actor/actor.ts'
import { credentialOf } from './credential.ts'
import { lookAt } from './poll.ts'
import { removeSource, type SetSource, setSource } from './set.ts'

const PLAIN = { actor: ADA, username: null, credential: null, fingerprint: null, submodules: [], everyMs: 60_000 } as const

async function hosted(): Promise<{ readonly code: Code; readonly input: SetSource }> {
  const code = await someCode()
  const host = await anotherHost()
  await host.commit('shop', { 'index.html': 'hello' })
  return { code, input: { ...PLAIN, app: code.app, url: host.url('shop') } }
}

test('a source that is looked at while it is set anew is set all the same, and what was seen stays seen', async () => {
  const { code, input } = await hosted()
  const { source } = await setSource(code, code.git, input)
  const git = {
    hostKeys: (url: string) => code.git.hostKeys(url),
    makeKey: (comment: string) => code.git.makeKey(comment),
    look: async (asked: typeof source) => {
      await lookAt(code, code.git, { app: code.app, source })
      return code.git.look(asked)
    },
  }
  const again = await setSource(code, git, { ...input, everyMs: 30_000 })
  expect(again.source).toMatchObject({ everyMs: 30_000, seen: { 'refs/heads/main': expect.any(String) }, failures: 0 })
  await lookAt(code, code.git, { app: code.app, source: again.source })
  expect(await code.builds()).toHaveLength(1)
})

test('a token is kept sealed, opens for its URL only, and stands in no event', async () => {
  const { code, input } = await hosted()
  const { source } = await setSource(code, code.git, { ...input, username: 'ada', credential: { kind: 'token', secret: 'tok-5f1c9' } })
  expect(credentialOf(code, source)).toEqual({ kind: 'token', username: 'ada', secret: 'tok-5f1c9' })
  expect(() => credentialOf(code, { ...source, url: 'https://elsewhere.example.net/shop.git' })).toThrow()
  const events = await code.store.read.eventsAfter(EVERYTHING, 0, 100)
  expect(JSON.stringify([source, events])).not.toContain('tok-5f1c9')
})

test('another URL does not inherit the credential, nor what was seen', async () => {
  const { code, input } = await hosted()
  await lookAt(code, code.git, {
    app: code.app,
    source: (await setSource(code, code.git, { ...input, credential: { kind: 'token', secret: 'tok-5f1c9' } })).source,
  })
  const host = await anotherHost()
  await host.commit('other', { 'index.html': 'other' })
  const { source } = await setSource(code, code.git, { ...input, url: host.url('other') })
  expect(source).toMatchObject({ kind: 'none', credential: null, seen: {}, checkedAt: null })
})

test('what cannot be reached is refused, and what was set before stays', async () => {
  const { code, input } = await hosted()
  const { source } = await setSource(code, code.git, input)
  await expect(setSource(code, code.git, { ...input, url: `${input.url}.not-there` })).rejects.toMatchObject({ code: 'source.not_found' })
  expect(await code.store.read.sources.find(EVERYTHING, code.app.id)).toEqual(source)
})

test('a credential goes with its kind of URL, and is what it says it is', async () => {
  const { code, input } = await hosted()
  const refused = { code: 'source.credential_refused' }
  const withUrl = (url: string, credential: SetSource['credential']) => setSource(code, code.git, { ...input, url, credential })
  await expect(withUrl('git@code.example.net:team/shop.git', { kind: 'token', secret: 'tok-5f1c9' })).rejects.toMatchObject(refused)
  await expect(withUrl(input.url, { kind: 'new-key' })).rejects.toMatchObject(refused)
  await expect(withUrl('git@code.example.net:team/shop.git', { kind: 'key', secret: 'no key' })).rejects.toMatchObject(refused)
  await expect(withUrl(input.url, { kind: 'token', secret: 'two\nlines' })).rejects.toMatchObject(refused)
  expect(await code.store.read.sources.list(EVERYTHING)).toEqual([])
})

test('a source is removed with its credential; removing none is fine', async () => {
  const { code, input } = await hosted()
  await setSource(code, code.git, { ...input, credential: { kind: 'token', secret: 'tok-5f1c9' } })
  await removeSource(code, { actor: ADA, app: code.app })
  await removeSource(code, { actor: ADA, app: code.app })
  expect(await code.store.read.sources.list(EVERYTHING)).toEqual([])
})

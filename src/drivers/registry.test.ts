// A driver is one folder and one line: what was forgotten of it is said here.
import { existsSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { builders } from './builder/index.ts'
import { edges } from './edge/index.ts'
import { runtimes } from './runtime/index.ts'

interface Described {
  readonly description?: string
  readonly properties?: Readonly<Record<string, { readonly description?: string }>>
  readonly additionalProperties?: unknown
}

const KINDS = { builder: builders, edge: edges, runtime: runtimes } as const

const folderOf = (kind: string): string => fileURLToPath(new URL(`./${kind}/`, import.meta.url))

describe.each(Object.entries(KINDS))('%s', (kind, all) => {
  test('every folder with a driver is registered, under its own name', () => {
    const folders = readdirSync(folderOf(kind), { withFileTypes: true }).filter((entry) => entry.isDirectory() && entry.name !== 'bases')
    expect(Object.keys(all).toSorted()).toEqual(folders.map(({ name }) => name).toSorted())
    expect(Object.values(all).map(({ name }) => name)).toEqual(Object.keys(all))
  })

  test.each(Object.entries(all))('%s says what it is, describes every key, and has a page for operators', (name, { Config }) => {
    const schema = z.toJSONSchema(Config, { io: 'input', unrepresentable: 'any' }) as Described
    const undescribed = Object.entries(schema.properties ?? {}).filter(([, { description }]) => description === undefined)

    expect(schema.description ?? '').not.toEqual('')
    expect(schema.additionalProperties, 'a key that nobody reads is an error').toBe(false)
    expect(undescribed.map(([key]) => key)).toEqual([])
    if (name !== 'fake') expect(existsSync(`${folderOf(kind)}${name}/readme.md`)).toBe(true)
  })
})

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { builders } from './builder/index.ts'
import { edges } from './edge/index.ts'
import { runtimes } from './runtime/index.ts'

const HERE = import.meta.dirname
const REGISTRIES = { builder: builders, edge: edges, runtime: runtimes }
/** Shared by the builders, and no driver. */
const HELPERS = ['builder/bases']

function folders(path: string): string[] {
  return readdirSync(join(HERE, path), { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []))
}

test('every kind of driver is known here', () => {
  expect(folders('.').toSorted()).toEqual(Object.keys(REGISTRIES))
})

describe.each(Object.entries(REGISTRIES))('drivers of the kind %s', (kind, registry) => {
  const names = folders(kind).filter((name) => !HELPERS.includes(`${kind}/${name}`))

  test('every folder is registered, under its own name', () => {
    expect(Object.keys(registry).toSorted()).toEqual(names.toSorted())
    expect(Object.values(registry).map((driver) => driver.name)).toEqual(Object.keys(registry))
  })

  test.each(names)('%s has a readme, describes its configuration, and runs the contract', (name) => {
    const files = readdirSync(join(HERE, kind, name))
    const tests = files.filter((file) => file.endsWith('.test.ts')).map((file) => readFileSync(join(HERE, kind, name, file), 'utf8'))
    expect(files).toContain('readme.md')
    expect(tests.some((text) => text.includes("from '../contract.ts'"))).toBe(true)
    const { Config } = registry[name as keyof typeof registry] as {
      readonly Config: { readonly shape: Readonly<Record<string, { readonly description?: string }>> }
    }
    for (const [key, schema] of Object.entries(Config.shape)) expect(schema.description, `${kind}.${name}.${key}`).toBeTruthy()
  })

  test.each(names)('%s says what it is, and takes no key that nothing reads', (name) => {
    const { Config } = registry[name as keyof typeof registry] as { readonly Config: z.ZodType }
    expect(Config.description).toBeTruthy()
    expect(z.toJSONSchema(Config, { io: 'input', unrepresentable: 'any' })).toMatchObject({ additionalProperties: false })
  })
})

// Whatever people write has a least and a most: nothing can be switched off, run for ever or overflow by a number.
import { expect, test } from 'vitest'
import { z } from 'zod'
import type { Endpoint } from '../src/api/contract/endpoint.ts'
import { endpoints } from '../src/api/contract/endpoints.ts'
import { Manifest } from '../src/core/app/manifest.ts'
import { parseManifest } from '../src/core/app/parse-manifest.ts'
import { Settings } from '../src/settings.ts'

interface Node {
  readonly type?: string
  readonly pattern?: string
  readonly minimum?: number
  readonly exclusiveMinimum?: number
  readonly maximum?: number
  readonly maxLength?: number
  readonly maxItems?: number
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly properties?: Readonly<Record<string, Node>>
  readonly items?: Node
  readonly anyOf?: readonly Node[]
  readonly oneOf?: readonly Node[]
  readonly additionalProperties?: Node | boolean
}

interface Leaf {
  readonly path: readonly string[]
  readonly node: Node
}

/** Every value that a schema takes, with its path. */
function leaves(node: Node, path: readonly string[] = []): Leaf[] {
  const inner = [
    ...Object.entries(node.properties ?? {}).flatMap(([key, child]) => leaves(child, [...path, key])),
    ...[...(node.anyOf ?? []), ...(node.oneOf ?? [])].flatMap((child) => leaves(child, path)),
    ...(node.items ? leaves(node.items, [...path, '[]']) : []),
    ...(typeof node.additionalProperties === 'object' ? leaves(node.additionalProperties, [...path, '*']) : []),
  ]
  return [{ path, node }, ...inner]
}

function schemaOf(type: z.ZodType): Node {
  return z.toJSONSchema(type, { io: 'input', unrepresentable: 'any' }) as Node
}

const INPUTS: readonly (readonly [string, z.ZodType])[] = [
  ['lockgate.yaml', Manifest],
  ['settings.json', Settings],
  ...Object.entries(endpoints as Readonly<Record<string, Endpoint>>).flatMap(([name, { body, query, params }]) =>
    Object.entries({ body, query, params }).flatMap(([part, type]): [string, z.ZodType][] => (type ? [[`${name} ${part}`, type as z.ZodType]] : [])),
  ),
]

test.each(INPUTS)('every number of %s has a least and a most', (_name, type) => {
  const numbers = leaves(schemaOf(type)).filter(({ node }) => node.type === 'number' || node.type === 'integer')
  const open = numbers.filter(({ node }) => !isBounded(node))
  expect(open.map(({ path }) => path.join('.'))).toEqual([])
})

/** The bounds of a safe integer are no bounds that anybody chose. */
function isBounded({ minimum, exclusiveMinimum, maximum }: Node): boolean {
  const least = minimum ?? exclusiveMinimum ?? Number.NEGATIVE_INFINITY
  return least > Number.MIN_SAFE_INTEGER && (maximum ?? Number.POSITIVE_INFINITY) < Number.MAX_SAFE_INTEGER
}

const DURATIONS = leaves(schemaOf(Manifest)).filter(({ node }) => node.pattern?.includes('(ms|s|m|h)'))
const SIZES = leaves(schemaOf(Manifest)).filter(({ node }) => node.pattern?.includes('(MB|GB)'))

function refusal(path: readonly string[], value: string): string {
  const keys = path.filter((key) => key !== '[]')
  const lines = keys.map((key, depth) => `${'  '.repeat(depth)}${key}:${depth === keys.length - 1 ? ` ${value}` : ''}`)
  if (keys[0] === 'strategy') lines.splice(1, 0, `  kind: ${keys[1] === 'hold' ? 'recreate' : 'canary'}`)
  try {
    parseManifest(lines.join('\n'))
    return 'accepted'
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

test('durations and sizes were found', () => {
  expect([DURATIONS.length, SIZES.length]).toEqual([expect.any(Number), expect.any(Number)])
  expect(DURATIONS.length).toBeGreaterThanOrEqual(9)
  expect(SIZES.length).toBe(4)
})

test.each(DURATIONS.map(({ path }) => [path.join('.'), path] as const))('the duration %s has bounds, said with line and column', (_name, path) => {
  for (const value of ['999999h', '999999999h', '9999999999h']) expect(refusal(path, value)).toMatch(/^lockgate\.yaml:\d+:\d+: .*(between|a duration is)/)
  expect(refusal(path, '-1s')).toMatch(/a duration is a number and a unit/)
})

test.each(SIZES.map(({ path }) => [path.join('.'), path] as const))('the size %s has bounds, said with line and column', (_name, path) => {
  for (const value of ['0MB', '1MB', '999999GB', '99999999999GB']) expect(refusal(path, value)).toMatch(/^lockgate\.yaml:\d+:\d+: .*(between|a size is)/)
})

test.each(['health:\n  interval: 0ms', 'health:\n  timeout: 0s', 'health:\n  start_deadline: 0s', 'build:\n  timeout: 0s', 'request_timeout: 0s'])(
  '%j would switch off or burn, and is refused',
  (text) => {
    expect(() => parseManifest(text)).toThrow(/between/)
  },
)

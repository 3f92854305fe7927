import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { readSources, violations } from './support/architecture.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

test('imports point downwards, circles there are none, and every file has its place', async () => {
  expect(violations(await readSources(ROOT))).toEqual([])
})

/** Each fault goes into the real sources, so that it is found among what is right. */
const FAULTS: readonly (readonly [title: string, files: Readonly<Record<string, string>>, sentence: RegExp])[] = [
  [
    'a verb that imports a driver',
    { 'src/core/app/pause.ts': `import { openDocker } from '../../drivers/runtime/docker/index.ts'` },
    /^src\/core\/app\/pause\.ts: a verb file must not import a driver file/,
  ],
  ['a verb that writes SQL', { 'src/core/app/pause.ts': `import { sql } from 'kysely'` }, /^src\/core\/app\/pause\.ts: must not know kysely/],
  [
    'a verb that needs the store itself',
    { 'src/core/app/pause.ts': `import type { SqliteStore } from '../../store/sqlite.ts'` },
    /^src\/core\/app\/pause\.ts: a verb file must not import a store file/,
  ],
  [
    'a noun that imports the store',
    { 'src/core/lease/lease.ts': `import type { Tx } from '../../store/types.ts'` },
    /^src\/core\/lease\/lease\.ts: a noun file must not import a port file/,
  ],
  [
    'a plan that looks at the clock',
    { 'src/core/policy/policy.ts': `import { systemClock } from '../../lib/clock.ts'` },
    /^src\/core\/policy\/policy\.ts: decides, so it must not import/,
  ],
  [
    'a driver that imports its sibling',
    { 'src/drivers/runtime/swarm/index.ts': `import { labelsOf } from '../docker/labels.ts'` },
    /^src\/drivers\/runtime\/swarm\/index\.ts: must not know the driver of another folder/,
  ],
  [
    'a driver that calls a verb',
    { 'src/drivers/runtime/swarm/index.ts': `import { createApp } from '../../../core/app/create.ts'` },
    /^src\/drivers\/runtime\/swarm\/index\.ts: a driver file must not import a verb file/,
  ],
  ['a face that reaches past its contract', { 'src/cli/cheat.ts': `import { plan } from '../core/deployment/plan.ts'` }, /^src\/cli\/cheat\.ts: a cli file/],
  ['lib that knows a noun', { 'src/lib/cheat.ts': `import type { App } from '../core/app/app.ts'` }, /^src\/lib\/cheat\.ts: a lib file must not import a noun/],
  [
    'a circle of types only',
    {
      'src/lib/one.ts': `import type { Two } from './two.ts'\nexport type One = Two | null`,
      'src/lib/two.ts': `import type { One } from './one.ts'\nexport type Two = { readonly one: One }`,
    },
    /goes round in a circle: src\/lib\/one\.ts -> src\/lib\/two\.ts -> src\/lib\/one\.ts/,
  ],
  ['a file outside the tree', { 'src/utils/helpers.ts': '' }, /^src\/utils\/helpers\.ts: is outside the tree/],
  ['a folder without its noun', { 'src/core/lease/take.ts': '' }, /^src\/core\/lease\/take\.ts: its folder has no noun lease\.ts/],
  ['a program started elsewhere', { 'src/git/cheat.ts': `import { spawn } from 'node:child_process'` }, /^src\/git\/cheat\.ts: only lib\/run\.ts/],
  [
    'a second caller of the runtime',
    { 'src/core/app/pause.ts': `export const pause = (context) => context.runtime.stop('x')` },
    /^src\/core\/app\/pause\.ts: only core\/environment\//,
  ],
  [
    'a second voice at the edge',
    { 'src/core/app/pause.ts': `await context.edge.serve(table)` },
    /^src\/core\/app\/pause\.ts: only core\/route\/reconciler\.ts/,
  ],
  [
    'a product that needs its tests',
    { 'src/core/app/pause.ts': `import { until } from '../../../test/support/until.ts'` },
    /^src\/core\/app\/pause\.ts: the product must not import test/,
  ],
]

test.each(FAULTS)('%s is found', async (_title, files, sentence) => {
  const sources = await readSources(ROOT)
  const before = violations(sources)
  const planted = violations(new Map([...sources, ...Object.entries(files)])).filter((one) => !before.includes(one))
  expect(planted).toEqual([expect.stringMatching(sentence)])
})

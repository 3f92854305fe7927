import { expect, test } from 'vitest'
import { faultsOf } from './lint.ts'

// Put together here, so that the check does not find this file.
const LATER = ['TO', 'DO'].join('')
const ONLY = ['.on', 'ly'].join('')

const FAULTS: readonly (readonly [path: string, text: string, sentence: string])[] = [
  ['src/core/deployment/plan.ts', 'const now = Date.now()', 'time and chance'],
  ['src/core/route/table.ts', 'const at = new Date()', 'time and chance'],
  ['src/core/app/app.ts', 'const roll = Math.random()', 'time and chance'],
  ['src/git/push.ts', 'log.info(`pushed`)', 'constant'],
  ['src/git/push.ts', "log.warn('pushed ' + commit)", 'constant'],
  ['src/git/push.ts', 'let count = 0', 'no state'],
  ['src/git/push.ts', ['spawn(file, args, { she', 'll: true })'].join(''), 'no shell'],
  ['src/git/push.ts', ['ex', "ec('git push ' + url)"].join(''), 'no shell'],
  ['src/git/push.ts', `// ${LATER}: later`, 'finish it'],
  ['src/git/push.ts', ['export def', 'ault 1'].join(''), 'default'],
  ['src/git/push.test.ts', `test${ONLY}('one', run)`, 'always'],
  ['src/git/push.ts', 'export function push(): void {}', 'push has no doc comment'],
  ['src/git/push.ts', '// not that kind\nexport class Push {}', 'Push has no doc comment'],
  ['src/git/push.ts', '\n'.repeat(301), '300 are the limit'],
  ['src/git/push.test.ts', '\n'.repeat(501), '500 are the limit'],
]

test.each(FAULTS)('in %s, %j is a fault', (path, text, sentence) => {
  expect(faultsOf(path, text)).toEqual([expect.stringContaining(sentence)])
})

const FINE: readonly (readonly [path: string, text: string])[] = [
  ['src/lib/clock.ts', 'const now = Date.now()'],
  ['src/git/push.ts', "log.info('pushed', { commit })"],
  ['src/git/push.ts', 'function work() {\n  let count = 0\n}'],
  ['src/git/push.ts', '/** Pushes. */\nexport async function push(): Promise<void> {}'],
  ['src/lib/bytes.ts', '/** Bytes. */\n// biome-ignore lint/x: y\nexport function bytes(): void {}'],
  ['src/git/push.test.ts', 'let server: Server'],
  ['vitest.config.ts', 'export default defineConfig({})'],
  ['src/git/push.ts', '\n'.repeat(300)],
]

test.each(FINE)('in %s, %j is fine', (path, text) => {
  expect(faultsOf(path, text)).toEqual([])
})

test('an exception stands beside the line, with its reason', () => {
  expect(faultsOf('src/git/push.ts', 'let count = 0 // lint: because the test counts')).toEqual([])
})

import { expect, test } from 'vitest'
import { runSpecOf } from './manifest.ts'
import { parseManifest } from './parse-manifest.ts'

function problemsOf(text: string): string {
  try {
    parseManifest(text)
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
  return 'no problem'
}

test('an empty file is an empty manifest', () => {
  expect(parseManifest('')).toEqual({})
  expect(parseManifest('# nothing\n')).toEqual({})
})

test('quotes and operators in a list, and inside of words, are as they stand', () => {
  const commands = [
    ['sh', '-c', 'a && "b"'],
    ['printf', "it's", '-DA="1"x'],
  ]

  expect(parseManifest(`build: {steps: [${JSON.stringify(commands[0])}, 'printf it''s -DA="1"x']}\n`)).toEqual({ build: { kind: 'auto', steps: commands } })
})

test('durations, memory and commands come out in our units', () => {
  const manifest = parseManifest('health: {path: /up, start_deadline: 2m}\nlimits: {memory: 1GB, cpus: 0.5}\nrelease_command: npm run migrate\n')

  const spec = runSpecOf(manifest, { command: null, port: null })

  expect(spec.health).toMatchObject({ kind: 'http', path: '/up', startDeadlineMs: 120_000 })
  expect(spec.limits).toEqual({ memoryMb: 1024, cpus: 0.5, processes: 256 })
  expect(spec.releaseCommand).toEqual(['npm', 'run', 'migrate'])
})

test.each([
  ['an unknown key', 'port: 80\nprot: http\n', 'lockgate.yaml:2:1: prot: there is no key "prot" here'],
  ['an unknown key deeper down', 'health:\n  path: /up\n  pth: /x\n', 'lockgate.yaml:3:3: health.pth: there is no key "pth" here'],
  ['a doubled key', 'port: 80\nport: 81\n', 'lockgate.yaml:2:1: this key stands here twice'],
  ['a port out of range', 'port: 70000\n', 'lockgate.yaml:1:1: port: Too big: expected number to be <=65535'],
  ['a duration without a unit', 'health:\n  interval: 5\n', 'lockgate.yaml:2:3: health.interval: Invalid input: expected string, received number'],
  ['a strategy nobody knows', 'strategy: magic\n', 'lockgate.yaml:1:1: strategy: this has none of the forms that are allowed here'],
  ['a folder outside the repository', 'build: {publish: ../etc}\n', 'lockgate.yaml:1:9: build.publish: a path inside the repository'],
  [
    'a quote in a line that no shell reads',
    'build:\n  test: node -e "a b"\n',
    'lockgate.yaml:2:3: build.test: no shell reads this: write a list, as in [node, -e, "a b"], or [sh, -c, "a && b"] for one that does',
  ],
  [
    'an operator of a shell among steps',
    'build:\n  steps:\n    - npm ci\n    - cd web && npm run build\n',
    'lockgate.yaml:4:7: build.steps.1: no shell reads this: write a list, as in [node, -e, "a b"], or [sh, -c, "a && b"] for one that does',
  ],
  [
    'a variable of a shell',
    'verify: node x --port $PORT\n',
    'lockgate.yaml:1:1: verify: no shell reads this: write a list, as in [node, -e, "a b"], or [sh, -c, "a && b"] for one that does',
  ],
  ['nesting without end', `port: ${'['.repeat(60_000)}`, 'lockgate.yaml:1:106: this is nested deeper than anything that can stand here'],
  ['steps down without end', '- '.repeat(30_000), 'lockgate.yaml:1:200: this is nested deeper than anything that can stand here'],
  ['a second document', 'port: 80\n---\nport: 81\n', 'lockgate.yaml:2:1: a second document begins here: the file is one, without "---" or "..." in it'],
  ['a set', '!!set {port}\n', 'lockgate.yaml:1:7: a tag such as !!set is not allowed here'],
  ['a name that would be lost', 'build: {args: {__proto__: x}}\n', 'lockgate.yaml:1:16: there is no key "__proto__" here'],
  ['a NUL byte', 'verify: [a, "b\\0"]\n', 'lockgate.yaml:1:13: a NUL byte is not allowed here'],
  ['half of a character', 'health: {path: "/\\ud800"}\n', 'lockgate.yaml:1:16: half of a character (a lone surrogate) is not allowed here'],
  ['a path of another kind', 'health: {kind: tcp, path: /up}\n', 'lockgate.yaml:1:21: health.path: this belongs to the kind http, and this one is tcp'],
  ['a path and a command', 'health: {command: x, path: /up}\n', 'lockgate.yaml:1:22: health.path: this belongs to the kind http, and this one is command'],
  [
    'a command of another kind',
    'health: {kind: http, command: x}\n',
    'lockgate.yaml:1:22: health.command: this belongs to the kind command, and this one is http',
  ],
  ['no command', 'health: {kind: command}\n', 'lockgate.yaml:1:10: health.kind: the kind command needs the command'],
  [
    'a path that is no ASCII',
    'health: {path: /ü}\n',
    'lockgate.yaml:1:10: health.path: a path starts with / and has no blanks; what is not ASCII is written as in %C3%BC',
  ],
  ['a program without a name', 'release_command: [""]\n', 'lockgate.yaml:1:1: release_command: a command has a program'],
  ['a bomb of aliases', 'port: &a 80\nhealth: *a\n', 'lockgate.yaml:1:1: aliases (&name, *name) are not allowed here'],
])('%s is named with its line and column', (_what, text, message) => {
  expect(problemsOf(text)).toBe(message)
})

test('every problem is named at once', () => {
  expect(problemsOf('prot: http\nport: no\n').split('\n')).toHaveLength(2)
})

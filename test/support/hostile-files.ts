// Files of a folder that are refused or named, with what is said of them.
import type { Files } from './person.ts'

export type FolderRow = readonly [what: string, files: Files, said: RegExp]

const NODE: Files = { 'package.json': '{"scripts":{"start":"node ."}}', 'package-lock.json': '{}' }
const procfile = (text: string): Files => ({ ...NODE, Procfile: text })
const packageJson = (text: string): Files => ({ 'package.json': text, 'package-lock.json': '{}' })
const utf16 = (text: string): Buffer => Buffer.from(`\ufeff${text}`, 'utf16le')

const NOT_A_LINE = /Line 1 of the Procfile is not NAME: COMMAND/

export const FOLDERS: readonly FolderRow[] = [
  ['a Procfile with a name and nothing', procfile('web:'), NOT_A_LINE],
  ['a Procfile with a name and a blank', procfile('web: '), NOT_A_LINE],
  ['a Procfile with a blank before the colon', procfile('web : x'), NOT_A_LINE],
  ['a Procfile with a line that is indented', procfile(' web: x'), NOT_A_LINE],
  ['a Procfile with a name that no one writes', procfile('w\u0435b: x\n'), NOT_A_LINE],
  ['a Procfile with a name that is turned round', procfile('\u202eweb: x'), NOT_A_LINE],
  ['a Procfile in YAML', procfile('- web: x'), NOT_A_LINE],
  ['a Procfile with one name twice', procfile('web: a\nweb: b'), /Line 2 of the Procfile says web a second time/],
  ['a Procfile with a NUL', procfile('web: a\0b'), /Line 1 of Procfile holds a NUL byte/],
  ['a Procfile with a name of all objects', procfile('constructor: x'), /Not used: .*constructor.* of the Procfile/],
  ['a Procfile with __proto__', procfile('__proto__: x'), /Not used: .*__proto__.* of the Procfile/],
  ['a Procfile with WEB', procfile('WEB: x'), /Not used: .*WEB.* of the Procfile/],
  ['a Procfile of one process that is not web', procfile('worker: x'), /Not used: .*worker.* of the Procfile/],
  ['a package.json in UTF-16', { ...NODE, 'package.json': utf16('{}') }, /package\.json is text in UTF-16/],
  ['a package.json that is no JSON', packageJson('{"scripts":{"start":"x"},}'), /package\.json/],
  ['a package.json that is null', packageJson('null'), /package\.json/],
  ['a package.json that is a list', packageJson('[]'), /package\.json/],
  ['a package.json whose scripts are a number', packageJson('{"scripts":5}'), /package\.json/],
  ['a package.json whose start is a list', packageJson('{"scripts":{"start":["x"]}}'), /package\.json/],
  ['a package.json with an engine that there is not', packageJson('{"scripts":{"start":"x"},"engines":{"node":"99"}}'), /Node 99/],
  ['a package.json with an engine that is no version', packageJson('{"scripts":{"start":"x"},"engines":{"node":"__proto__"}}'), /__proto__/],
  ['a Node of a version with a command in it', { ...NODE, '.nvmrc': '$(id)' }, /\$\(id\)/],
  ['a Python of a version that there is not', { 'requirements.txt': '', Procfile: 'web: x', '.python-version': '9.9' }, /9\.9/],
  ['a lockgate.yml', { ...NODE, 'lockgate.yml': 'port: 80' }, /lockgate\.yml is not read: the file is called lockgate\.yaml/],
  ['a .lockgate.yaml', { ...NODE, '.lockgate.yaml': 'port: 80' }, /\.lockgate\.yaml is not read/],
  ['a Lockgate.YAML', { ...NODE, 'Lockgate.YAML': 'port: 80' }, /Lockgate\.YAML is not read/],
  ['a lockgate.yaml with a NUL', { ...NODE, 'lockgate.yaml': 'port: 80\n\0' }, /lockgate\.yaml/],
  ['tests that a Dockerfile does not run', { Dockerfile: 'FROM lockgate/base\n', 'lockgate.yaml': 'build: {test: [x]}\n' }, /build\.test, which is not run/],
  ['steps that a Dockerfile does not run', { Dockerfile: 'FROM lockgate/base\n', 'lockgate.yaml': 'build: {steps: [[x]]}\n' }, /Not used: build\.steps/],
  ['a stage of no Dockerfile', { ...NODE, 'lockgate.yaml': 'build: {target: x}\n' }, /Not used: build\.target/],
  ['a Dockerfile that is not there', { ...NODE, 'lockgate.yaml': 'build: {dockerfile: Docker.file}\n' }, /there is no Docker\.file/],
  ['a folder to serve that is not there', { ...NODE, 'lockgate.yaml': 'build: {kind: static, publish: nowhere}\n' }, /there is no nowhere\/index\.html/],
  ['nothing that is understood', { __proto__x: 'x' }, /Nothing here says how it is built/],
]

/** Files of `lockgate config set --file`, with the line that is refused. */
export const DOTENVS: readonly (readonly [what: string, text: string | Uint8Array, said: RegExp])[] = [
  ['a line without =', 'A=1\nhello\n', /line 2: "hello" is not KEY=VALUE/],
  ['a key with a blank', 'A B=1\n', /line 1: "A B=1" is not KEY=VALUE/],
  ['a key that begins with a digit', '1A=1\n', /line 1/],
  ['a quote that nothing ends', 'A="x\nB=1\n', /line 1: the value of A begins with "/],
  ['something behind a quote', 'A="x"y\n', /line 1: the value of A ends with "/],
  ['bytes that are no text', Buffer.from([0x41, 0x3d, 0xff, 0x0a]), /line 1: this is not text/],
  ['a NUL', 'A=x\0y\n', /line 1: this is not text/],
  ['__proto__', '__proto__=x\n', /__proto__/],
  ['a key of ours', 'LOCKGATE_APP=x\n', /keys that start with LOCKGATE_ are ours/],
  ['PORT', 'PORT=1\n', /PORT is set by Lockgate/],
  ['a key with a dot', 'a.b=1\n', /"a\.b": a key is the name of an environment variable/],
  ['a key with a letter of another script', '\u0410=1\n', /line 1/],
  ['65 kB in one value', `A=${'x'.repeat(66_000)}\n`, /\[config\.value_too_large\]/],
  ['nothing', '', /nothing|no key/i],
  ['only comments', '# A=1\n', /nothing|no key/i],
]

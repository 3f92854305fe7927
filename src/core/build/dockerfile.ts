// Reads a Dockerfile as far as it has to be known before anything of it runs: its stages, and the images they begin from.
// Reference: https://docs.docker.com/reference/dockerfile/.
import { BuildFailure } from './build-failure.ts'

export interface Stage {
  /** Of `FROM … AS name`, in small letters; null where it has none. */
  readonly name: string | null
  /** Images it takes from outside: FROM, COPY --from, RUN --mount=from. */
  readonly images: readonly string[]
  /** Other stages it is made of, by index. */
  readonly uses: readonly number[]
}

type Values = ReadonlyMap<string, string>
interface Instruction {
  readonly line: number
  readonly word: string
  readonly rest: string
}

/** The stages of a Dockerfile; `args` are the values of its ARGs. Throws BuildFailure `not_understood` with the line. */
export function readDockerfile(text: string, args: Readonly<Record<string, string>>): Stage[] {
  const globals = new Map<string, string>()
  const stages: { name: string | null; images: string[]; uses: number[] }[] = []
  let values: Map<string, string> = globals
  for (const { line, word, rest } of instructionsOf(text)) {
    if (word === 'ARG') for (const [name, value] of argsOf(rest, values)) setArg(values, { name, value: args[name] ?? value ?? globals.get(name) })
    if (word === 'FROM') {
      const { image, name } = readFrom(rest, globals, line)
      const stage = { name, images: [], uses: [] }
      use(stage, stages, image)
      stages.push(stage)
      values = new Map()
    }
    const current = stages.at(-1)
    if (!current || word === 'FROM') continue
    for (const from of sourcesOf(word, rest)) use(current, stages.slice(0, -1), expand(from, values))
  }
  if (stages.length === 0) throw new BuildFailure('not_understood', 'The Dockerfile has no FROM')
  return stages
}

/** Images that have to be there to build a stage (null: the last one). Throws BuildFailure `not_understood`. */
export function imagesFor(stages: readonly Stage[], target: string | null): string[] {
  const wanted = target === null ? stages.length - 1 : indexOf(stages, target)
  if (wanted < 0) {
    const names = stages.flatMap(({ name }) => (name === null ? [] : [name]))
    throw new BuildFailure('not_understood', `The Dockerfile has no stage ${target}${names.length === 0 ? '' : `; it has ${names.join(', ')}`}`)
  }
  const needed = new Set<number>()
  const visit = (index: number): void => {
    if (needed.has(index)) return
    needed.add(index)
    for (const other of stages[index]?.uses ?? []) visit(other)
  }
  visit(wanted)
  return [...new Set([...needed].toSorted((a, b) => a - b).flatMap((index) => stages[index]?.images ?? []))]
}

/** An image's name in full: `node:24` is `docker.io/library/node:24`. null: it names none. */
export function fullReference(text: string): string | null {
  const [, name = '', tag, digest] = /^([a-zA-Z0-9][a-zA-Z0-9.:_/-]*?)(?::([A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?(?:@(sha256:[0-9a-f]{64}))?$/.exec(text) ?? []
  if (name === '' || text.length > 500) return null
  const first = name.split('/')[0] ?? ''
  const hasRegistry = name.includes('/') && (/[.:]/.test(first) || first === 'localhost')
  const full = hasRegistry ? name : name.includes('/') ? `docker.io/${name}` : `docker.io/library/${name}`
  return digest === undefined ? `${full}:${tag ?? 'latest'}` : `${full}@${digest}`
}

/** Logical lines: continued ones joined, comments and the text of here-documents left out. */
function* instructionsOf(text: string): Generator<Instruction> {
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/)
  const mark = escapeOf(lines)
  for (let at = 0; at < lines.length; at++) {
    const begun = at
    let whole = ''
    for (; at < lines.length; at++) {
      const line = (lines[at] ?? '').trimEnd()
      // Comments and empty lines in the middle of an instruction are not there; before one they end nothing.
      if (/^\s*(#|$)/.test(line)) {
        if (whole === '') break
        continue
      }
      whole += line.endsWith(mark) ? `${line.slice(0, -1)} ` : line
      if (!line.endsWith(mark)) break
    }
    const [, word = '', rest = ''] = /^\s*([A-Za-z]+)(?:\s+([\s\S]*))?$/.exec(whole) ?? []
    if (word === '') continue
    if (['RUN', 'COPY', 'ADD'].includes(word.toUpperCase()))
      for (const end of documentsOf(rest)) while (at + 1 < lines.length && (lines[++at] ?? '').trimStart() !== end);
    yield { line: begun + 1, word: word.toUpperCase(), rest: rest.trim() }
  }
}

function escapeOf(lines: readonly string[]): string {
  for (const line of lines) {
    const [, name, value] = /^\s*#\s*([a-zA-Z]+)\s*=\s*(\S+)/.exec(line) ?? []
    if (name === undefined) return '\\'
    if (name.toLowerCase() === 'escape' && value === '`') return '`'
  }
  return '\\'
}

/** The words at which here-documents end, in the order they come. */
function documentsOf(rest: string): string[] {
  return [...rest.matchAll(/(?:^|\s)\d*<<-?\s*(["']?)([A-Za-z_][A-Za-z0-9_.-]*)\1/g)].map(([, , name = '']) => name)
}

function readFrom(rest: string, globals: Values, line: number): { readonly image: string; readonly name: string | null } {
  const words = rest.split(/\s+/).filter((word) => !word.startsWith('--'))
  const [said = '', as, name] = words
  const image = expand(said, globals)
  if (image === '' || (words.length !== 1 && !(words.length === 3 && as?.toUpperCase() === 'AS')))
    throw new BuildFailure('not_understood', `Line ${line} of the Dockerfile names no image: "FROM ${rest.slice(0, 200)}"${hintFor(said, globals)}`)
  return { image, name: name?.toLowerCase() ?? null }
}

function hintFor(said: string, globals: Values): string {
  const missing = [...said.matchAll(/\$\{?([A-Za-z_]\w*)/g)].map(([, name = '']) => name).filter((name) => !globals.has(name))
  return missing.length === 0 ? '' : `; ${missing.join(' and ')} has no value: set build.args in lockgate.yaml`
}

function use(stage: { images: string[]; uses: number[] }, before: readonly Stage[], source: string): void {
  const index = indexOf(before, source)
  if (index >= 0) stage.uses.push(index)
  else if (source !== 'scratch' && source !== '') stage.images.push(source)
}

/** A stage by name, or by number; the last of a name counts. */
function indexOf(stages: readonly Stage[], source: string): number {
  const byName = stages.findLastIndex(({ name }) => name === source.toLowerCase())
  if (byName >= 0) return byName
  return /^\d+$/.test(source) && Number(source) < stages.length ? Number(source) : -1
}

/** What COPY --from and RUN --mount=from name. */
function sourcesOf(word: string, rest: string): string[] {
  const flags: string[] = []
  for (const part of rest.split(/\s+/)) {
    if (!part.startsWith('--')) break
    flags.push(part)
  }
  if (word === 'COPY' || word === 'ADD') return flags.flatMap((flag) => /^--from=(.+)$/.exec(flag)?.[1] ?? [])
  if (word === 'RUN') return flags.flatMap((flag) => /^--mount=(?:.*,)?from=([^,]+)/.exec(flag)?.[1] ?? [])
  return []
}

function argsOf(rest: string, values: Values): [string, string | undefined][] {
  return (rest.match(/(?:[^\s"']|"[^"]*"|'[^']*')+/g) ?? []).map((part) => {
    const at = part.indexOf('=')
    return at < 0 ? [part, undefined] : [part.slice(0, at), expand(part.slice(at + 1), values)]
  })
}

/** What an ARG may be: values made of values would else double with every line until the server has no memory left. */
const LONGEST_VALUE = 8_192

function setArg(values: Map<string, string>, arg: { readonly name: string; readonly value: string | undefined }): void {
  if (arg.value !== undefined) values.set(arg.name, arg.value)
}

function bounded(text: string): string {
  if (text.length > LONGEST_VALUE) throw new BuildFailure('not_understood', `The Dockerfile has a value of more than ${LONGEST_VALUE} characters`)
  return text
}

/** Quotes away, and `$NAME`, `${NAME}`, `${NAME:-word}`, `${NAME:+word}` replaced. */
function expand(text: string, values: Values): string {
  const plain = text.replace(/^(["'])(.*)\1$/, '$2')
  const variable = /\$(?:(?<short>[A-Za-z_]\w*)|\{(?<long>[A-Za-z_]\w*)(?:(?<mark>:?[-+])(?<word>(?:[^{}]|\{[^{}]*\})*))?\})/g
  let expanded = ''
  let at = 0
  for (const found of plain.matchAll(variable)) {
    const { short, long, mark, word = '' } = found.groups ?? {}
    const value = values.get(short ?? long ?? '')
    const isSet = value !== undefined && (value !== '' || !mark?.startsWith(':'))
    expanded += plain.slice(at, found.index)
    if (mark?.endsWith('+')) expanded += isSet ? expand(word, values) : ''
    else if (mark?.endsWith('-') && !isSet) expanded += expand(word, values)
    else expanded += value ?? ''
    bounded(expanded)
    at = found.index + found[0].length
  }
  return bounded(expanded + plain.slice(at))
}

import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { problemOf } from '../../src/api/errors.ts'
import * as errors from '../../src/lib/errors.ts'
import { ERROR_SENTENCES } from './error-sentences.ts'
import { code, table } from './schema-table.ts'

const KINDS: Readonly<Record<string, new (code: string, message: string) => errors.PlatformError>> = {
  InvalidError: errors.InvalidError,
  UnauthenticatedError: errors.UnauthenticatedError,
  ForbiddenError: errors.ForbiddenError,
  NotFoundError: errors.NotFoundError,
  ConflictError: errors.ConflictError,
  PolicyError: errors.PolicyError,
  RejectedError: errors.RejectedError,
  UnavailableError: errors.UnavailableError,
  TimeoutError: errors.TimeoutError,
}

/** Every code that the product throws, with the classes it comes as. */
export async function thrownCodes(root: string): Promise<ReadonlyMap<string, readonly string[]>> {
  const found = new Map<string, Set<string>>([
    ['internal', new Set<string>()],
    ['route.not_found', new Set(['NotFoundError'])],
  ])
  const add = (name: string, kind: string): void => void found.set(name, (found.get(name) ?? new Set()).add(kind))
  const rows = await readFile(join(root, 'src/store/sqlite.ts'), 'utf8')
  for (const [, name = ''] of rows.matchAll(/\btable: '([a-z_]+)'/g)) add(`${name}.not_found`, 'NotFoundError')
  for (const path of await readdir(join(root, 'src'), { recursive: true })) {
    if (!path.endsWith('.ts') || /\.test\.ts$|\/contract\.ts$/.test(path)) continue
    const text = await readFile(join(root, 'src', path), 'utf8')
    for (const [, kind = '', name = ''] of text.matchAll(/new (\w+Error)\(\s*'([a-z_]+\.[a-z_]+)'/g)) add(name, kind)
    for (const [, cause = ''] of text.matchAll(/new BuildFailure\(\s*'([a-z_]+)'/g)) add(`build.${cause}`, 'RejectedError')
  }
  return new Map([...found].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([name, kinds]) => [name, [...kinds].toSorted()]))
}

/** errors.md. */
export async function errorsPage(root: string): Promise<string> {
  const thrown = await thrownCodes(root)
  const rows = [...thrown].map(([name, kinds]) => {
    const statuses = kinds.map((kind) => statusOf(kind, name))
    return [code(name), kinds.join(', '), [...new Set(statuses)].join(', ') || '500', ERROR_SENTENCES[name] ?? '']
  })
  return `# Errors

Every answer that is no success is a problem document (RFC 9457, \`application/problem+json\`) with a stable \`code\` and a
sentence in \`detail\` that says what to do. Decide by \`code\`, never by the text. A code that belongs to 503 is worth
another try, after \`Retry-After\`.

${table(['code', 'class', 'HTTP', 'meaning'], rows)}`
}

function statusOf(kind: string, name: string): number {
  const Kind = KINDS[kind]
  return Kind ? problemOf(new Kind(name, ''), '').status : 500
}

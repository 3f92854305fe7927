// docs/reference from the sources: one truth, and a check that says when the pages are behind it.
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { manifestSchema } from '../src/api/downloads.ts'
import { errorsPage } from './reference/errors.ts'
import { openApi } from './reference/openapi.ts'
import { apiPage, cliPage, databasePage, manifestPage, permissionsPage, settingsPage, statesPage } from './reference/pages.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const FOLDER = join(ROOT, 'docs/reference')
const MADE = '<!-- Made by tools/reference.ts from the sources: edit those, then run it. -->\n'

/** Every page by its file name, as it should be. */
export async function pages(): Promise<ReadonlyMap<string, string>> {
  const texts: Readonly<Record<string, string>> = {
    'settings.md': settingsPage(),
    'lockgate-yaml.md': manifestPage(),
    'errors.md': await errorsPage(ROOT),
    'states.md': statesPage(),
    'api.md': apiPage(),
    'cli.md': cliPage(),
    'permissions.md': permissionsPage(),
    'schema.md': await databasePage(ROOT),
  }
  const data = { 'lockgate.schema.json': manifestSchema(), 'openapi.json': await openApi() }
  return new Map([
    ...Object.entries(texts).map(([name, text]) => [name, `${MADE}${text.trimEnd()}\n`] as const),
    ...Object.entries(data).map(([name, value]) => [name, `${JSON.stringify(value, null, 2)}\n`] as const),
  ])
}

/** The names of pages that are not what the sources say. */
export async function stale(): Promise<string[]> {
  const found: string[] = []
  for (const [name, text] of await pages()) {
    const there = await readFile(join(FOLDER, name), 'utf8').catch(() => null)
    if (there !== text) found.push(name)
  }
  return found
}

async function main(): Promise<void> {
  const behind = await stale()
  if (process.argv.includes('--check')) {
    if (behind.length > 0) process.stderr.write(`docs/reference is behind the sources: ${behind.join(', ')}. Run node tools/reference.ts\n`)
    process.exitCode = behind.length > 0 ? 1 : 0
    return
  }
  await mkdir(FOLDER, { recursive: true })
  for (const [name, text] of await pages()) await writeFile(join(FOLDER, name), text)
  process.stderr.write(behind.length === 0 ? 'docs/reference is as it was\n' : `written: ${behind.join(', ')}\n`)
}

if (import.meta.main) await main()

import { pipeline } from 'node:stream'
import { extract } from 'tar-stream'
import type { TestFile } from '../../../core/build/build.ts'
import { matchesGlob } from '../../../lib/glob.ts'
import type { Workshop } from './workshop.ts'

/** Where reporters of JUnit usually write, in the words of `build.junit`. */
const USUAL = ['junit.xml', 'test-results/*.xml', 'reports/*.xml']
const MOST_FILES = 100
const MOST_BYTES = 4 * 1024 * 1024
const MOST_BYTES_IN_ALL = 16 * 1024 * 1024
/** Of a folder that holds more than reports, only so much is looked through. */
const MOST_READ_BYTES = 64 * 1024 * 1024

/** The JUnit files that the tests of a build left in its box; what is too large is left out with a line in the log. */
export async function testFiles(workshop: Workshop): Promise<TestFile[]> {
  const found = new Map<string, TestFile>()
  for (const pattern of patternsOf(workshop)) for (const file of await matching(workshop, pattern)) if (found.size < MOST_FILES) found.set(file.path, file)
  let bytes = 0
  return [...found.values()].filter(({ path, text }) => {
    bytes += text.length
    if (bytes <= MOST_BYTES_IN_ALL) return true
    workshop.note(`The reports of the tests are larger than 16 MiB together: what ${path} says is not read`)
    return false
  })
}

function patternsOf({ request }: Workshop): readonly string[] {
  return request.manifest.build?.junit ?? USUAL
}

/** Where these files are looked for: files, and folders of patterns ('.' for the checkout itself). */
export function testPaths(workshop: Workshop): string[] {
  return [...new Set(patternsOf(workshop).map((pattern) => rootOf(pattern) || '.'))]
}

/** The part of a pattern before its first `*`, in whole folders. */
function rootOf(pattern: string): string {
  if (!pattern.includes('*')) return pattern
  const parts = pattern.split('/')
  return parts
    .slice(
      0,
      parts.findIndex((part) => part.includes('*')),
    )
    .join('/')
}

async function matching(workshop: Workshop, pattern: string): Promise<TestFile[]> {
  const root = rootOf(pattern)
  if (!workshop.mayHave(root || '.')) return []
  const source = await workshop.raw(root === '' ? '/app' : `/app/${root}`)
  if (source === null) return []
  // The engine names entries from the last part of the path that was asked for.
  const before = root.includes('/') ? root.slice(0, root.lastIndexOf('/') + 1) : ''
  const entries = extract()
  entries.on('error', () => undefined)
  pipeline(source, entries, () => undefined)
  const files: TestFile[] = []
  let read = 0
  for await (const entry of entries) {
    const { name, type, size = 0 } = entry.header
    const path = root === '' ? name.replace(/^app\//, '') : `${before}${name}`
    read += size
    if (read > MOST_READ_BYTES || files.length >= MOST_FILES) break
    if (type === 'file' && matchesGlob(path, pattern) && size <= MOST_BYTES) files.push({ path, text: await textOf(entry) })
    else if (type === 'file' && matchesGlob(path, pattern)) workshop.note(`${path} is larger than 4 MiB: what it says of the tests is not read`)
    entry.resume()
  }
  source.destroy()
  return files
}

async function textOf(entry: AsyncIterable<unknown>): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of entry) chunks.push(chunk as Uint8Array)
  return Buffer.concat(chunks).toString('utf8')
}

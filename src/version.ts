import { existsSync, readFileSync } from 'node:fs'

function read(path: string): string | null {
  const url = new URL(path, import.meta.url)
  return existsSync(url) ? readFileSync(url, 'utf8').trim() : null
}

const number = String(JSON.parse(read('../package.json') ?? '{}').version)
// A build writes what it was made of beside this file; run from the sources there is none.
const build = read('./build-id')

/** `0.1.0`, and for a build `0.1.0+3f9a2c81`: two builds of different sources never have the same. */
export const VERSION: string = build === null ? number : `${number}+${build}`

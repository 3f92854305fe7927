import { readFileSync } from 'node:fs'

/** `0.1.0`, of the package this file belongs to. */
export const VERSION: string = String(JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version)

import { chmod } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { makeFolderFor, readIfThere, writeAtomic } from '../lib/files.ts'
import type { Connection } from './client.ts'
import { CliError, EXIT } from './exit.ts'

const Accounts = z.object({ current: z.string().nullable(), tokens: z.record(z.string(), z.string()) })
type Accounts = z.infer<typeof Accounts>

const DEFAULT_URL = 'http://127.0.0.1:7070'

function path(): string {
  return join(process.env['XDG_CONFIG_HOME'] ?? join(homedir(), '.config'), 'lockgate', 'accounts.json')
}

async function read(): Promise<Accounts> {
  const text = await readIfThere(path())
  if (text === null) return { current: null, tokens: {} }
  const parsed = Accounts.safeParse(JSON.parse(text))
  if (!parsed.success) throw new CliError(`${path()} cannot be read; remove it and sign in again with "lockgate login".`, EXIT.usage)
  return parsed.data
}

/**
 * Remembers the token of a server and makes that server the current one; with `keepCurrent` only where none is. Gives the current
 * server afterwards. The file is only this user's.
 */
export async function remember(url: string, token: string, keepCurrent = false): Promise<string> {
  const accounts = await read()
  const current = keepCurrent ? (accounts.current ?? url) : url
  await makeFolderFor(path())
  await writeAtomic(path(), `${JSON.stringify({ current, tokens: { ...accounts.tokens, [url]: token } }, null, 2)}\n`, 0o600)
  await chmod(path(), 0o600)
  return current
}

/** The server that `login` made the current one; null: none. */
export async function currentServer(): Promise<string | null> {
  return (await read()).current
}

/** Forgets the token of the current server. */
export async function forget(): Promise<string | null> {
  const { current, tokens } = await read()
  if (current === null) return null
  const { [current]: _gone, ...rest } = tokens
  await writeAtomic(path(), `${JSON.stringify({ current: null, tokens: rest }, null, 2)}\n`, 0o600)
  return current
}

/** A server's address without a slash at its end. Throws CliError for anything but http and https. */
export function serverUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null
  if (!url || !['http:', 'https:'].includes(url.protocol) || url.username !== '')
    throw new CliError(`${text} is not an address such as https://lockgate.example.net`, EXIT.usage)
  return url.origin
}

/** The server to ask and the token for it: LOCKGATE_URL and LOCKGATE_TOKEN, else what `login` remembered. */
export async function account(): Promise<Connection> {
  const accounts = await read()
  const url = process.env['LOCKGATE_URL'] ? serverUrl(process.env['LOCKGATE_URL']) : (accounts.current ?? DEFAULT_URL)
  return { url, token: process.env['LOCKGATE_TOKEN'] ?? accounts.tokens[url] ?? null }
}

/** The token for one server, for git's credential helper. */
export async function tokenFor(url: string): Promise<string | null> {
  return process.env['LOCKGATE_TOKEN'] ?? (await read()).tokens[url] ?? null
}

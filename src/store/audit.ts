// What lies outside the database so that the log of events can be trusted: the key of its MAC, and an anchor of its head.
import { randomBytes } from 'node:crypto'
import { open, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { RejectedError } from '../lib/errors.ts'
import { makeFolderFor, readIfThere, writeAtomic } from '../lib/files.ts'

/** Events that are missing after the head of a database that went back in time, or whose tail was deleted. */
const Gap = z.object({ after: z.int(), through: z.int(), at: z.int() })

const Anchor = z.object({
  seq: z.int().describe('How many events there were'),
  hash: z.string().describe('Hash of the last one'),
  keyedFrom: z.int().nullable().describe('The first event with a keyed hash; null: none yet'),
  gaps: z.array(Gap),
})
export type Anchor = z.output<typeof Anchor>

export interface Audit {
  readonly key: Buffer
  /** Null: there is no anchor yet. */
  readonly anchor: Anchor | null
  save(anchor: Anchor): Promise<void>
}

const KEY = /^[A-Za-z0-9+/]{43}=$/
/** Older gaps are dropped from the anchor: their events in the log stay. */
export const KEPT_GAPS = 20

/**
 * Opens key and anchor in a directory that is not the database's, making a 256-bit key (mode 0600) where there is none.
 * Throws RejectedError `store.audit_damaged` when a file is there that cannot be read.
 */
export async function openAudit(directory: string): Promise<Audit> {
  const keyPath = join(directory, 'audit.key')
  const anchorPath = join(directory, 'audit-anchor.json')
  const text = (await readIfThere(keyPath)) ?? (await makeKey(keyPath))
  if (!KEY.test(text.trim())) throw damaged(keyPath)
  const anchor = await readIfThere(anchorPath)
  return {
    key: Buffer.from(text.trim(), 'base64'),
    anchor: anchor === null ? null : parse(anchor, anchorPath),
    save: (next) => replace(anchorPath, `${JSON.stringify({ ...next, gaps: next.gaps.slice(-KEPT_GAPS) })}\n`),
  }
}

/** Whole or not at all, as writeAtomic; written after every burst of events, it is no moment of its own for tests that kill the server. */
async function replace(path: string, text: string): Promise<void> {
  const temporary = `${path}.anchor.tmp`
  const file = await open(temporary, 'w', 0o600)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(temporary, path)
}

async function makeKey(path: string): Promise<string> {
  const key = randomBytes(32).toString('base64')
  await makeFolderFor(path)
  await writeAtomic(path, `${key}\n`, 0o600)
  return key
}

function parse(text: string, path: string): Anchor {
  try {
    return Anchor.parse(JSON.parse(text))
  } catch (cause) {
    throw damaged(path, cause)
  }
}

function damaged(path: string, cause?: unknown): RejectedError {
  return new RejectedError(
    'store.audit_damaged',
    `${path} cannot be read. Restore it from your backup; or move it away, and Lockgate makes a new one and can no longer vouch for older events.`,
    { cause },
  )
}

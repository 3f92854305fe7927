import { Readable } from 'node:stream'
import { type Header, type Pack, pack } from 'tar-stream'
import { messageOf } from './errors.ts'

/** A stream of bytes as libraries type it: the entries of tar-stream are typed as anything. */
export type Bytes = AsyncIterable<unknown>

/** Writes an entry whose bytes come from a stream; resolves when the archive took all of them. After a failure the archive is of no use. */
export function addEntry(tar: Pack, header: Partial<Header> & { readonly name: string; readonly size: number }, bytes: Bytes): Promise<void> {
  return new Promise((resolve, reject) => {
    const sink = tar.entry(header as Header, (error) => {
      if (!error) return resolve()
      letGo(bytes)
      reject(error)
    })
    sink.on('error', reject)
    pour(bytes, sink).catch(reject)
  })
}

/** A tar stream that `fill` writes to while it is read. A `fill` that throws breaks the stream off with its error. */
export function tarStream(fill: (tar: Pack) => Promise<void>): Readable {
  const tar = pack()
  const entry = tar.entry.bind(tar) as (...words: Parameters<Pack['entry']>) => ReturnType<Pack['entry']>
  // When it breaks off, an entry that nobody waits for must not end the process.
  tar.entry = ((...words: Parameters<Pack['entry']>) => entry(...words).on('error', () => undefined)) as Pack['entry']
  const filled = fill(tar).then(
    () => tar.finalize(),
    (error: unknown) => tar.destroy(error instanceof Error ? error : new Error(messageOf(error))),
  )
  void filled
  // Whoever reads sees it; one that comes when nobody reads any more must not end the process.
  tar.on('error', () => undefined)
  return Readable.from(tar, { objectMode: false })
}

/** What waits for bytes that may never come does not see that nobody takes them any more. */
function letGo(bytes: Bytes): void {
  if ('destroy' in bytes && typeof bytes.destroy === 'function') bytes.destroy()
}

async function pour(bytes: Bytes, sink: NodeJS.WritableStream): Promise<void> {
  for await (const chunk of bytes) if (!sink.write(chunk as Uint8Array)) await room(sink)
  sink.end()
}

/** Throws when nobody takes anything any more: then what the bytes come from is let go of, too. */
function room(sink: NodeJS.WritableStream): Promise<void> {
  return new Promise((resolve, reject) => {
    const closed = (): void => reject(new Error('the archive was closed'))
    sink.once('close', closed)
    sink.once('drain', () => {
      sink.off('close', closed)
      resolve()
    })
  })
}

/** Fields of an entry that belongs to a user: numbers above 262143 do not fit into tar's own field and need a pax record. */
export function ownedBy(uid: number): Pick<Header, 'uid' | 'gid' | 'uname' | 'gname' | 'pax'> {
  return { uid, gid: uid, uname: '', gname: '', pax: uid > 0o777777 ? { uid: String(uid), gid: String(uid) } : null }
}

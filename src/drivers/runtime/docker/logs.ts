import { StringDecoder } from 'node:string_decoder'
import { UnavailableError } from '../../../lib/errors.ts'
import type { LogLine } from '../types.ts'
import type { EngineClient } from './client.ts'
import { frames } from './lines.ts'

interface LogOptions {
  readonly sinceMs: number
  readonly follow: boolean
  readonly signal: AbortSignal
}

/** Lines of a container, in the order the engine kept them; a followed one ends with the container or the signal. */
export async function* readLogs(client: EngineClient, id: string, options: LogOptions): AsyncGenerator<LogLine> {
  const query = { stdout: 'true', stderr: 'true', timestamps: 'true', follow: String(options.follow), since: (options.sinceMs / 1000).toFixed(3) }
  if (options.signal.aborted) return
  const stream = await client.stream({ path: `/containers/${id}/logs`, query, signal: options.signal })
  try {
    // A frame is a line, or 16 KiB of a longer one; a character that the engine cut in two comes whole with the next frame.
    const decoders = { stdout: new StringDecoder('utf8'), stderr: new StringDecoder('utf8') }
    for await (const { stream: name, bytes } of frames(stream)) {
      const line = parseLine(bytes, decoders[name])
      if (options.signal.aborted) return
      if (line.at >= options.sinceMs) yield { stream: name, ...line }
    }
  } catch (cause) {
    if (!options.signal.aborted) throw new UnavailableError('runtime.unreachable', 'The engine stopped sending a log', { cause })
  } finally {
    stream.destroy()
  }
}

function parseLine(bytes: Buffer, decoder: StringDecoder): { readonly text: string; readonly at: number } {
  const space = bytes.indexOf(' ')
  const at = Date.parse(bytes.subarray(0, space).toString())
  return { text: decoder.write(bytes.subarray(space + 1)).replace(/\r?\n$/, ''), at: Number.isNaN(at) ? 0 : at }
}

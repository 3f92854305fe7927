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
    // A frame is a line, or 16 KiB of a longer one.
    for await (const { stream: name, bytes } of frames(stream)) {
      const line = parseLine(bytes.toString('utf8'))
      if (options.signal.aborted) return
      if (line.at >= options.sinceMs) yield { stream: name, ...line }
    }
  } catch (cause) {
    if (!options.signal.aborted) throw new UnavailableError('runtime.unreachable', 'The engine stopped sending a log', { cause })
  } finally {
    stream.destroy()
  }
}

function parseLine(line: string): { readonly text: string; readonly at: number } {
  const space = line.indexOf(' ')
  const at = Date.parse(line.slice(0, space))
  return { text: line.slice(space + 1).replace(/\r?\n$/, ''), at: Number.isNaN(at) ? 0 : at }
}

import type { LogKey, LogRecord } from '../../core/log/log.ts'
import { pause } from '../../lib/clock.ts'
import type { Call, Handling } from '../call.ts'
import type { LiveMessage } from '../live.ts'

export interface Lines {
  readonly key: LogKey
  readonly call: Pick<Call, 'signal' | 'lastEventId'>
  /** How many old lines come first, unless the reader says where it was. */
  readonly lines: number
  /** Whether nothing more will be written; null: it never ends. */
  readonly ended: (() => Promise<boolean>) | null
}

/** How often it is asked whether what writes the log has ended. */
const ASK_MS = 200

/** The lines of a log, old ones first, then as they come; ends when their writer has and all is sent. */
export async function* linesUntil(handling: Pick<Handling, 'book'>, asked: Lines): AsyncGenerator<LiveMessage<LogRecord>> {
  const { key, call } = asked
  const stop = new AbortController()
  const leave = (): void => stop.abort()
  call.signal.addEventListener('abort', leave, { once: true })
  // One look: between two of them a line could come that neither the old ones nor the new ones have.
  const kept = await handling.book.tail(key, Math.max(asked.lines, 1))
  const before = asked.lines === 0 ? (kept.at(-1)?.seq ?? 0) : (kept[0]?.seq ?? 1) - 1
  // A reader whose last line has a higher number than the newest line read another log: it gets the lines that come from now on.
  const from = Math.min(call.lastEventId ?? before, kept.at(-1)?.seq ?? 0)
  let last = from
  if (asked.ended) void endWhen(asked.ended, { stop, settle: async () => (await handling.book.tail(key, 1))[0]?.seq ?? 0, sent: () => last })
  for await (const record of handling.book.follow(key, from, stop.signal)) {
    last = record.seq
    yield { id: record.seq, data: record }
  }
  call.signal.removeEventListener('abort', leave)
}

async function endWhen(
  ended: () => Promise<boolean>,
  how: { readonly stop: AbortController; readonly settle: () => Promise<number>; readonly sent: () => number },
): Promise<void> {
  const signal = how.stop.signal
  while (!signal.aborted && !(await ended().catch(() => true))) await pause(ASK_MS, signal)
  const newest = await how.settle()
  while (!signal.aborted && how.sent() < newest) await pause(20, signal)
  how.stop.abort()
}

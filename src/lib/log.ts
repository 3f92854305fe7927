import { pino } from 'pino'

export type Facts = Readonly<Record<string, unknown>>

/** A constant message and the facts beside it; JSON lines on standard error. */
export interface Log {
  debug(message: string, facts?: Facts): void
  info(message: string, facts?: Facts): void
  warn(message: string, facts?: Facts): void
  error(message: string, facts?: Facts): void
}

/** Errors among the facts are written under the key `error`, with their stack. */
export function openLog(level: string): Log {
  const logger = pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime, serializers: { error: pino.stdSerializers.err } },
    pino.destination({ dest: 2, sync: true }),
  )
  const write = (level: 'debug' | 'info' | 'warn' | 'error') => (message: string, facts?: Facts) => {
    try {
      logger[level](facts ?? {}, message)
    } catch {
      // A disk that is full, a reader that is gone: whoever logs goes on.
    }
  }
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') }
}

export const silentLog: Log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined }

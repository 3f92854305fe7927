import { z } from 'zod'

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }

/** `500ms`, `30s`, `5m`, `1h`; parsed to milliseconds. */
export const Duration = z
  .string()
  .regex(/^\d{1,6}(ms|s|m|h)$/, 'a duration is a number and a unit: 500ms, 30s, 5m, 1h')
  .transform((text) => {
    const [, number = '0', unit = 'ms'] = /^(\d+)(ms|s|m|h)$/.exec(text) ?? []
    return Number(number) * (UNITS[unit] ?? 1)
  })

/** Milliseconds as people say them: `1 m 20 s`, `2.5 s`. */
export function durationText(ms: number): string {
  if (ms < 60_000) return `${Math.round(ms / 100) / 10} s`
  const seconds = Math.round(ms / 1_000)
  return seconds % 60 === 0 ? `${seconds / 60} m` : `${Math.floor(seconds / 60)} m ${seconds % 60} s`
}

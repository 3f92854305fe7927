import { z } from 'zod'

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }
const FORM = /^(\d{1,9})(ms|s|m|h)$/

/** No timer of Node takes more (2^31 - 1 ms, 24.8 days): with more it fires at once. */
export const LONGEST_TIMER_MS = 2 ** 31 - 1

/** A schema of durations such as `500ms`, `30s`, `5m`, `1h` within these bounds, parsed to milliseconds. */
export function duration(least: string, most: string) {
  const [min, max] = [milliseconds(least), milliseconds(most)]
  return z
    .string()
    .regex(FORM, 'a duration is a number and a unit: 500ms, 30s, 5m, 1h')
    .transform(milliseconds)
    .refine((ms) => ms >= min && ms <= max, `between ${least} and ${most}`)
}

function milliseconds(text: string): number {
  const [, number = '0', unit = 'ms'] = FORM.exec(text) ?? []
  return Math.min(Number(number) * (UNITS[unit] ?? 1), LONGEST_TIMER_MS)
}

/** Milliseconds as people say them: `1 m 20 s`, `2.5 s`. */
export function durationText(ms: number): string {
  if (ms < 60_000) return `${Math.round(ms / 100) / 10} s`
  const seconds = Math.round(ms / 1_000)
  return seconds % 60 === 0 ? `${seconds / 60} m` : `${Math.floor(seconds / 60)} m ${seconds % 60} s`
}

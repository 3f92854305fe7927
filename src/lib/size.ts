import { z } from 'zod'

const FORM = /^(\d{1,9})(MB|GB)$/

/** A schema of sizes such as `256MB`, `2GB` within these bounds, parsed to megabytes (2^20 bytes). */
export function size(least: string, most: string) {
  const [min, max] = [megabytes(least), megabytes(most)]
  return z
    .string()
    .regex(FORM, 'a size is a number and a unit: 256MB, 2GB')
    .transform(megabytes)
    .refine((mb) => mb >= min && mb <= max, `between ${least} and ${most}`)
}

/** Megabytes as people say them: `512 MB`, `2 GB`. */
export function sizeText(mb: number): string {
  return mb % 1024 === 0 ? `${mb / 1024} GB` : `${mb} MB`
}

function megabytes(text: string): number {
  const [, number = '0', unit] = FORM.exec(text) ?? []
  return Number(number) * (unit === 'GB' ? 1024 : 1)
}

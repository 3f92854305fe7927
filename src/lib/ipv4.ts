import { InvalidError } from './errors.ts'

/** An IPv4 range: first address and prefix length, as in `10.210.0.0/16`. */
export interface Range {
  readonly first: number
  readonly prefix: number
}

/** Parses CIDR text. Throws InvalidError `address.invalid`. */
export function parseRange(text: string): Range {
  const [, address = '', prefix = ''] = /^([0-9.]+)\/(\d{1,2})$/.exec(text) ?? []
  const range = { first: parseAddress(address), prefix: Number(prefix) }
  if (range.prefix > 32 || range.first % 2 ** (32 - range.prefix) !== 0)
    throw new InvalidError('address.invalid', `${text} is not an IPv4 range such as 10.210.0.0/16`)
  return range
}

/** `10.210.0.0/16`. */
export function formatRange(range: Range): string {
  return `${formatAddress(range.first)}/${range.prefix}`
}

/** Throws InvalidError `address.invalid`. */
export function parseAddress(text: string): number {
  const parts = text.split('.').map((part) => (/^\d{1,3}$/.test(part) ? Number(part) : Number.NaN))
  if (parts.length !== 4 || parts.some((part) => !(part <= 255))) throw new InvalidError('address.invalid', `${text} is not an IPv4 address`)
  return parts.reduce((sum, part) => sum * 256 + part, 0)
}

/** `10.210.0.1`. */
export function formatAddress(address: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.')
}

/** How many addresses a range has. */
export function size(range: Range): number {
  return 2 ** (32 - range.prefix)
}

/** Whether two ranges have an address in common. */
export function overlaps(a: Range, b: Range): boolean {
  return a.first < b.first + size(b) && b.first < a.first + size(a)
}

/** Block number `index` of length `prefix` inside a range. Throws InvalidError `address.exhausted` beyond its end. */
export function block(range: Range, prefix: number, index: number): Range {
  const first = range.first + index * 2 ** (32 - prefix)
  if (first >= range.first + size(range)) throw new InvalidError('address.exhausted', `${formatRange(range)} has no block /${prefix} number ${index}`)
  return { first, prefix }
}

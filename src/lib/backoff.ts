/** Milliseconds to wait before try number `tries` (1 = first repeat): doubles from `firstMs` up to `mostMs`. */
export function backoffMs(tries: number, firstMs = 500, mostMs = 60_000): number {
  return Math.min(mostMs, firstMs * 2 ** Math.min(Math.max(tries - 1, 0), 30))
}

const TOTAL_BYTES = 100 * 1024 * 1024

/** Passes lines on until a build has said more than anybody reads; then says so once and drops the rest. */
export class LogBudget {
  readonly #next: (line: string) => void
  readonly #total: number
  #bytes = 0

  constructor(next: (line: string) => void, total = TOTAL_BYTES) {
    this.#next = next
    this.#total = total
  }

  line(text: string): void {
    if (this.#bytes > this.#total) return
    this.#bytes += Buffer.byteLength(text) + 1
    if (this.#bytes <= this.#total) this.#next(text)
    else this.#next(`The log is longer than ${Math.round(this.#total / 1024 / 1024)} MB: the rest is not kept`)
  }
}

import type { Clock } from '../../lib/clock.ts'
import { LineRedactor, Redactor } from '../../lib/sensitive.ts'
import type { LogBook } from '../log/book.ts'
import type { LogKey } from '../log/log.ts'

export interface BuildLogOptions {
  readonly key: LogKey
  readonly clock: Clock
  /** Values that never stand in it. */
  readonly secrets: readonly string[]
}

/** The log of one build: kept, redacted. */
export class BuildLog {
  readonly #book: Pick<LogBook, 'append'>
  readonly #options: BuildLogOptions
  readonly #redactor: Redactor
  readonly #lines: LineRedactor

  constructor(book: Pick<LogBook, 'append'>, options: BuildLogOptions) {
    this.#book = book
    this.#options = options
    this.#redactor = new Redactor(options.secrets)
    this.#lines = new LineRedactor(this.#redactor)
  }

  /** One line, or a part of one that is longer than 16 KiB. */
  line(text: string): void {
    this.#write(this.#lines.line(text))
  }

  /** Nothing more comes. */
  end(): void {
    const rest = this.#lines.end()
    if (rest !== null) this.#write(rest)
  }

  redact(text: string): string {
    return this.#redactor.redact(text)
  }

  #write(text: string): void {
    void this.#book.append(this.#options.key, { at: this.#options.clock.now(), source: null, stream: 'stdout', text })
  }
}

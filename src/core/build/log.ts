import type { Clock } from '../../lib/clock.ts'
import { Redactor } from '../../lib/sensitive.ts'
import type { LogBook } from '../log/book.ts'
import type { LogKey } from '../log/log.ts'

export interface BuildLogOptions {
  readonly key: LogKey
  readonly clock: Clock
  /** Values that never stand in it. */
  readonly secrets: readonly string[]
}

/** A line this long was cut by whoever reads the build's output: it goes on in the next. */
const CUT_AT = 16 * 1024

/**
 * The log of one build: kept, redacted. What was cut out of one long line is looked at together, so that a secret at the
 * place of the cut is found too.
 */
export class BuildLog {
  readonly #book: Pick<LogBook, 'append'>
  readonly #options: BuildLogOptions
  readonly #redactor: Redactor
  /** The end of a cut line that may be the beginning of a secret. */
  #held = ''

  constructor(book: Pick<LogBook, 'append'>, options: BuildLogOptions) {
    this.#book = book
    this.#options = options
    this.#redactor = new Redactor(options.secrets)
  }

  /** One line, or a part of one that is longer than 16 KiB. */
  line(text: string): void {
    const all = this.redact(this.#held + text)
    const holds = Buffer.byteLength(text) >= CUT_AT ? Math.min(this.#redactor.longest, all.length) : 0
    this.#held = all.slice(all.length - holds)
    this.#write(all.slice(0, all.length - holds))
  }

  /** Nothing more comes. */
  end(): void {
    if (this.#held !== '') this.#write(this.#held)
    this.#held = ''
  }

  redact(text: string): string {
    return this.#redactor.redact(text)
  }

  #write(text: string): void {
    void this.#book.append(this.#options.key, { at: this.#options.clock.now(), source: null, stream: 'stdout', text })
  }
}

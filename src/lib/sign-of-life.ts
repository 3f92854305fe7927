/** Between two questions, and how long an answer may take. */
const ASK_MS = 5_000
const ANSWER_MS = 5_000

/**
 * Asks a program over HTTP whether it is there. Only a question that is taken and not answered in time counts as silence: a program
 * that starts or ends refuses the connection, and is no frozen one.
 */
export class SignOfLife {
  readonly #url: string
  #unanswered = 0
  #askAt = 0
  #isAsking = false

  constructor(url: string) {
    this.#url = url
  }

  /** Call it often: it asks when it is time. Gives for how long every question was unanswered, milliseconds. */
  silentMs(): number {
    if (!this.#isAsking && performance.now() >= this.#askAt) void this.#ask()
    return this.#unanswered * ANSWER_MS
  }

  /** Another process is there: it has not been asked yet. */
  reset(): void {
    this.#unanswered = 0
    this.#askAt = performance.now() + ASK_MS
  }

  async #ask(): Promise<void> {
    this.#isAsking = true
    const isSilent = await fetch(this.#url, { signal: AbortSignal.timeout(ANSWER_MS) }).then(
      async (response) => {
        await response.body?.cancel()
        return false
      },
      (error: unknown) => error instanceof DOMException && error.name === 'TimeoutError',
    )
    this.#unanswered = isSilent ? this.#unanswered + 1 : 0
    // After silence at once again: it is looked at closely.
    this.#askAt = performance.now() + (isSilent ? 0 : ASK_MS)
    this.#isAsking = false
  }
}

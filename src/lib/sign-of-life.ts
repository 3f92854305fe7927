/** Between two questions, and how long an answer may take. */
const ASK_MS = 5_000
const ANSWER_MS = 5_000
/** Until it has been heard it is asked often: that its start went well decides how soon it is started again. */
const FIRST_ASK_MS = 250

/**
 * Asks a program over HTTP whether it is there. Only a question that is taken and not answered in time counts as silence: a program
 * that starts or ends refuses the connection, and is no frozen one.
 */
export class SignOfLife {
  readonly #url: string
  #unanswered = 0
  #askAt = 0
  #isAsking = false
  #heard = false

  constructor(url: string) {
    this.#url = url
  }

  /** Call it often: it asks when it is time. Gives for how long every question was unanswered, milliseconds. */
  silentMs(): number {
    if (!this.#isAsking && performance.now() >= this.#askAt) void this.#ask()
    return this.#unanswered * ANSWER_MS
  }

  /** Whether the process has answered since the last `forget`: then its start went well. */
  wasHeard(): boolean {
    return this.#heard
  }

  /** The process has ended. */
  forget(): void {
    this.#heard = false
  }

  /** Another process is there: it has not been asked yet. */
  reset(): void {
    this.#unanswered = 0
    this.#askAt = performance.now() + FIRST_ASK_MS
  }

  async #ask(): Promise<void> {
    this.#isAsking = true
    const isSilent = await fetch(this.#url, { signal: AbortSignal.timeout(ANSWER_MS) }).then(
      async (response) => {
        await response.body?.cancel()
        this.#heard = true
        return false
      },
      (error: unknown) => error instanceof DOMException && error.name === 'TimeoutError',
    )
    this.#unanswered = isSilent ? this.#unanswered + 1 : 0
    // After silence at once again: it is looked at closely.
    this.#askAt = performance.now() + (isSilent ? 0 : this.#heard ? ASK_MS : FIRST_ASK_MS)
    this.#isAsking = false
  }
}

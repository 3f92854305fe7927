import { UnavailableError } from '../../lib/errors.ts'
import type { Store } from '../../store/types.ts'
import type { Context } from '../context.ts'
import { type Actor, EVERYTHING, isGood } from './actor.ts'

/** So often it is looked whether the tokens of what is open are still good: a token that expired makes no event. */
const LOOK_MS = 1_000
/** Requests, streams and transfers of one token at a time. */
const MOST_OPEN = 200

interface Session {
  readonly tokenId: string
  readonly end: () => void
}

/** What is open in the name of a token: requests, streams, git transfers. Ends within 2 s of the token's end. */
export class Sessions {
  readonly #context: Pick<Context, 'store' | 'clock'>
  readonly #open = new Set<Session>()
  readonly #stopListening: () => void
  readonly #timer: NodeJS.Timeout

  constructor(context: Pick<Context, 'store' | 'clock'>) {
    this.#context = context
    this.#stopListening = context.store.onCommit(({ events }) => {
      for (const event of events) if (event.kind === 'token.revoked') this.#end((tokenId) => tokenId === event.subject)
    })
    this.#timer = setInterval(() => void this.#look(context.store), LOOK_MS).unref()
  }

  /**
   * `end` is called when the token of the actor ends. Gives what to call when the request is over. Throws UnavailableError
   * `request.too_many_open` when the token has too many open already.
   */
  open(actor: Actor, end: () => void): () => void {
    if (actor.kind !== 'token' || actor.id === null) return () => undefined
    const { id } = actor
    if ([...this.#open].filter((one) => one.tokenId === id).length >= MOST_OPEN)
      throw new UnavailableError('request.too_many_open', `${actor.name} has ${MOST_OPEN} requests and streams open. Close some, and try again.`)
    const session: Session = { tokenId: id, end }
    this.#open.add(session)
    return () => void this.#open.delete(session)
  }

  close(): void {
    clearInterval(this.#timer)
    this.#stopListening()
  }

  async #look(store: Store): Promise<void> {
    if (this.#open.size === 0) return
    const ids = [...new Set([...this.#open].map((one) => one.tokenId))]
    // A database that cannot be read now is read a second later.
    const tokens = await store.read.tokens.list(EVERYTHING, { where: { id: ids } }).catch(() => null)
    if (tokens === null) return
    const now = this.#context.clock.now()
    const good = new Set(tokens.filter((token) => isGood(token, now)).map((token) => token.id))
    this.#end((tokenId) => ids.includes(tokenId) && !good.has(tokenId))
  }

  #end(whose: (tokenId: string) => boolean): void {
    for (const session of this.#open) {
      if (!whose(session.tokenId)) continue
      this.#open.delete(session)
      session.end()
    }
  }
}

import { Redactor } from '../../lib/sensitive.ts'
import type { Context } from '../context.ts'
import type { Release } from '../release/release.ts'
import { secretValuesOf } from './variables.ts'

const KEPT = 200

/** Redactors of releases. Configuration revisions are immutable, so each is opened once. */
export class Redactors {
  readonly #context: Pick<Context, 'store' | 'sealer'>
  readonly #known = new Map<string, Promise<Redactor>>()

  constructor(context: Pick<Context, 'store' | 'sealer'>) {
    this.#context = context
  }

  /** Replaces the secret values of a release, revoked ones too. */
  of(release: Pick<Release, 'configRevisionId'>): Promise<Redactor> {
    const known = this.#known.get(release.configRevisionId)
    if (known) return known
    const opening = secretValuesOf(this.#context, release).then((values) => new Redactor(values))
    this.#known.set(release.configRevisionId, opening)
    opening.catch(() => this.#known.delete(release.configRevisionId))
    const oldest = this.#known.keys().next()
    if (this.#known.size > KEPT && !oldest.done) this.#known.delete(oldest.value)
    return opening
  }
}

import { createHash } from 'node:crypto'
import { InvalidError, NotFoundError } from '../../../lib/errors.ts'

/** What an instance of a fake image does: the words of its name, joined with `+`, as in `fake:slow-500ms+v2`. */
export interface Behaviour {
  readonly name: string
  /** Status of every answer. */
  readonly answers: number
  readonly startDelayMs: number
  /** Before each answer. */
  readonly lagMs: number
  /** Ends by itself with this status. */
  readonly exitsWith: number | null
  /** When it ends by itself, or starts to answer 500. */
  readonly afterMs: number
  readonly isOutOfMemory: boolean
  /** Answers 400 unless it is asked under this name; null: under any. */
  readonly host: string | null
  /** Does not end at its stop signal. */
  readonly isStubborn: boolean
}

const PREFIX = 'fake:'
const BYTES = 32

/** Config digest of a fake image: its name in hex, so that a digest alone says the behaviour after a restart. */
export function digestOf(reference: string): string {
  const name = reference.startsWith(PREFIX) ? reference.slice(PREFIX.length) : ''
  if (!/^[a-z0-9][a-z0-9.+-]{0,30}$/.test(name))
    throw new InvalidError('image.invalid_reference', `"${reference}" is not a fake image: write fake:good, fake:exits, fake:slow-500ms, fake:unhealthy …`)
  if (name === 'missing') throw new NotFoundError('image.not_found', 'There is no image fake:missing')
  return `sha256:${Buffer.from(name)
    .toString('hex')
    .padEnd(BYTES * 2, '0')}`
}

/** Behaviour of a digest; one that we did not make is that of `fake:good`. */
export function behaviourOf(digest: string): Behaviour {
  const bytes = Buffer.from(digest.replace('sha256:', ''), 'hex')
  const name = bytes.subarray(0, bytes.indexOf(0) === -1 ? bytes.length : bytes.indexOf(0)).toString('latin1')
  const words = name.split('+')
  const number = (pattern: RegExp): number | null => {
    const found = words.map((word) => pattern.exec(word)).find((match) => match !== null)
    return found ? milliseconds(found[1] ?? '0', found[2]) : null
  }
  const exits = number(/^exits(?:-(\d+))?$/)
  const oom = words.includes('oom')
  return {
    name,
    answers: words.includes('unhealthy') ? 503 : (number(/^answers-(\d{3})$/) ?? 200),
    startDelayMs: number(/^slow-(\d+)(ms|s)$/) ?? 0,
    lagMs: number(/^lag-(\d+)(ms|s)$/) ?? 0,
    exitsWith: oom ? 137 : words.includes('exits') ? 1 : exits,
    afterMs: number(/^after-(\d+)(ms|s)$/) ?? 0,
    isOutOfMemory: oom,
    host: words.map((word) => /^host-(.+)$/.exec(word)?.[1]).find((host) => host !== undefined) ?? null,
    isStubborn: words.includes('stubborn'),
  }
}

/** A stable number of a name, for sizes that look like something. */
export function sizeOf(digest: string): number {
  return 10_000_000 + (createHash('sha256').update(digest).digest().readUInt32BE(0) % 90_000_000)
}

function milliseconds(number: string, unit: string | undefined): number {
  return Number(number) * (unit === 's' ? 1000 : 1)
}

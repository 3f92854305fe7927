import { randomBytes } from 'node:crypto'
import { ConflictError, InvalidError, NotFoundError, UnauthenticatedError } from '../../lib/errors.ts'
import { sha256 } from '../../lib/hash.ts'
import { newId, randomWord } from '../../lib/ids.ts'
import type { Tx } from '../../store/types.ts'
import type { Context } from '../context.ts'
import { type Actor, EVERYTHING, isGood, isReservedName, ROLES, type Role, TOKEN_PREFIX, type Token } from './actor.ts'

const DAY_MS = 86_400_000
/** Tokens end by default: a forgotten one must not open the door for ever. */
export const DEFAULT_TOKEN_DAYS = 90
const MOST_TOKEN_DAYS = 3650
const CODE_MINUTES = 60
/** `lastUsedAt` is kept to this precision, so that reading does not write each time. */
const USED_PRECISION_MS = 60_000

export interface NewToken {
  readonly actor: Actor
  readonly name: string
  readonly role: Role
  readonly projectId: string | null
  readonly days: number
}

/**
 * Creates a token; its secret is in the answer and nowhere else. Throws InvalidError `token.invalid_days`, `token.role_too_high`,
 * `token.name_reserved`; ConflictError `token.name_taken`.
 */
export function createToken(context: Pick<Context, 'store' | 'clock'>, input: NewToken): Promise<{ readonly token: Token; readonly secret: string }> {
  if (!Number.isInteger(input.days) || input.days < 1 || input.days > MOST_TOKEN_DAYS)
    throw new InvalidError('token.invalid_days', `A token lives 1 to ${MOST_TOKEN_DAYS} days.`)
  if (ROLES.indexOf(input.role) > ROLES.indexOf(input.actor.role))
    throw new InvalidError('token.role_too_high', `${input.actor.name} is ${input.actor.role} and cannot give more than that.`)
  if (isReservedName(input.name))
    throw new InvalidError(
      'token.name_reserved',
      `The name "${input.name}" is reserved: events with it would look like those of Lockgate itself. Choose another name.`,
    )
  // user@machine is what "lockgate login" calls its tokens.
  if (input.actor.kind !== 'sign_in_code' && input.name.includes('@'))
    throw new InvalidError(
      'token.name_reserved',
      `A token that is created cannot have "@" in its name: "${input.name}" would look like a sign-in. Choose another name.`,
    )
  const now = context.clock.now()
  const secret = TOKEN_PREFIX + randomBytes(20).toString('base64url')
  return context.store.transaction(async (tx) => {
    if (input.actor.kind !== 'sign_in_code' && (await isNameTaken(tx, input.name, now)))
      throw new ConflictError(
        'token.name_taken',
        `Another live token is called ${input.name}. Choose another name, or revoke that token first ("lockgate token list").`,
      )
    const token = await tx.tokens.insert({
      id: newId('k'),
      projectId: input.projectId,
      name: input.name,
      hash: sha256(secret),
      role: input.role,
      expiresAt: now + input.days * DAY_MS,
      revokedAt: null,
      createdAt: now,
      lastUsedAt: null,
    })
    await tx.record({
      kind: 'token.created',
      actor: input.actor,
      projectId: input.projectId ?? 'installation',
      subject: token.id,
      data: { name: token.name, role: token.role, days: input.days },
    })
    return { token, secret }
  })
}

async function isNameTaken(tx: Tx, name: string, now: number): Promise<boolean> {
  const tokens = await tx.tokens.list(EVERYTHING, { where: { name, revokedAt: null } })
  return tokens.some((token) => isGood(token, now))
}

/** Revokes a token at once. Throws NotFoundError `token.not_found`. */
export function revokeToken(context: Pick<Context, 'store' | 'clock'>, input: { readonly actor: Actor; readonly id: string }): Promise<Token> {
  return context.store.transaction(async (tx) => {
    const token = await tx.tokens.get({ projectId: input.actor.projectId }, input.id)
    if (token.revokedAt !== null) return token
    const revokedAt = context.clock.now()
    await tx.tokens.set(token.id, { revokedAt })
    await tx.record({
      kind: 'token.revoked',
      actor: input.actor,
      projectId: token.projectId ?? 'installation',
      subject: token.id,
      data: { name: token.name },
    })
    return { ...token, revokedAt }
  })
}

/** Who holds this secret. Throws UnauthenticatedError `actor.unknown_token`, `actor.token_expired`, `actor.token_revoked`. */
export async function authenticate(context: Pick<Context, 'store' | 'clock'>, secret: string): Promise<Actor> {
  const token = (await context.store.read.tokens.list(EVERYTHING, { where: { hash: sha256(secret) }, limit: 1 }))[0]
  if (!token) throw new UnauthenticatedError('actor.unknown_token', 'This token is not known here. Sign in with "lockgate login".')
  if (token.revokedAt !== null) throw new UnauthenticatedError('actor.token_revoked', 'This token was revoked. Sign in with "lockgate login".')
  const now = context.clock.now()
  if (token.expiresAt !== null && token.expiresAt <= now)
    throw new UnauthenticatedError('actor.token_expired', 'This token has expired. Sign in with "lockgate login", or create a new one.')
  if (token.lastUsedAt === null || now - token.lastUsedAt > USED_PRECISION_MS)
    await context.store.transaction((tx) => tx.tokens.set(token.id, { lastUsedAt: now }))
  return { kind: 'token', id: token.id, name: token.name, role: token.role, projectId: token.projectId }
}

/** A one-time sign-in code, e.g. `bk7q-x2mz-49hw`, good for an hour; codes made before it die. */
export async function makeSignInCode(context: Pick<Context, 'store' | 'clock'>): Promise<string> {
  const word = randomWord(12)
  const code = `${word.slice(0, 4)}-${word.slice(4, 8)}-${word.slice(8)}`
  await context.store.transaction((tx) => tx.putSignInCode(sha256(code), context.clock.now() + CODE_MINUTES * 60_000))
  return code
}

/** Turns a sign-in code into a token of an admin. Throws UnauthenticatedError `actor.wrong_code`. */
export async function signIn(
  context: Pick<Context, 'store' | 'clock'>,
  input: { readonly code: string; readonly name: string },
): Promise<{ readonly token: Token; readonly secret: string }> {
  const used = await context.store.transaction((tx) => tx.useSignInCode(sha256(input.code.trim().toLowerCase()), context.clock.now()))
  if (!used)
    throw new UnauthenticatedError('actor.wrong_code', 'This sign-in code is wrong, used or expired. "bin/up --new-code" on the server prints a new one.')
  const actor: Actor = { kind: 'sign_in_code', id: null, name: 'sign-in code', role: 'admin', projectId: null }
  return createToken(context, { actor, name: input.name, role: 'admin', projectId: null, days: DEFAULT_TOKEN_DAYS })
}

/** Whether an admin can sign in with a token that is still good. */
export async function hasLiveAdmin(context: Pick<Context, 'store' | 'clock'>): Promise<boolean> {
  const now = context.clock.now()
  const admins = await context.store.read.tokens.list(EVERYTHING, { where: { role: 'admin', revokedAt: null, projectId: null } })
  return admins.some((token) => isGood(token, now))
}

/** The project of that name within what the actor may see. Throws NotFoundError `project.not_found`. */
export async function findProject(read: Context['store']['read'], actor: Actor, name: string): Promise<string> {
  const project = (await read.projects.list(EVERYTHING, { where: { name }, limit: 1 }))[0]
  if (!project || (actor.projectId !== null && actor.projectId !== project.id)) throw new NotFoundError('project.not_found', `There is no project ${name}.`)
  return project.id
}

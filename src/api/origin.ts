// Whose name a request came under: a web page of somebody else must not reach the API with a visitor's browser (DNS rebinding, cross-site requests).
import { isIP } from 'node:net'
import { hostname } from 'node:os'
import type { FastifyInstance } from 'fastify'
import { ForbiddenError } from '../lib/errors.ts'

/**
 * Refuses requests under a Host that is not this server's, and requests that a page of another origin sent. An address is nobody's name,
 * and cannot be made to point elsewhere. `names`: from the settings, beside localhost and the name of the machine.
 */
export function checkOrigin(server: FastifyInstance, names: readonly string[]): void {
  const own = new Set(['localhost', hostname().toLowerCase(), ...names.map((name) => name.toLowerCase())])
  server.addHook('onRequest', async (request) => {
    const host = request.headers.host ?? ''
    const name = nameOf(host)
    if (name === null || !(own.has(name) || name.endsWith('.localhost') || isIP(name) !== 0))
      throw new ForbiddenError(
        'request.wrong_host',
        `This server does not answer ${host === '' ? 'without a Host' : `as "${host.slice(0, 100)}"`}. An administrator adds the name to listen.names in the settings, or use an address.`,
      )
    const { origin } = request.headers
    if (origin !== undefined && origin !== 'null' && URL.canParse(origin) && new URL(origin).host === host) return
    if (origin !== undefined) throw new ForbiddenError('request.foreign_origin', `A page of "${String(origin).slice(0, 100)}" may not send requests here.`)
  })
}

/** The name of `name[:port]` without brackets; null: it is nothing of that form. */
function nameOf(host: string): string | null {
  const [, six, name] = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::\d{1,5})?$/i.exec(host) ?? []
  return (six ?? name)?.toLowerCase() ?? null
}

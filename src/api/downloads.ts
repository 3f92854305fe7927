import { createReadStream } from 'node:fs'
import { access } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { Manifest } from '../core/app/manifest.ts'
import { NotFoundError } from '../lib/errors.ts'

/** The JSON schema of `lockgate.yaml`, for editors. */
export function manifestSchema(): unknown {
  return { ...z.toJSONSchema(Manifest, { io: 'input' }), $id: 'https://lockgate.dev/lockgate.schema.json', title: 'lockgate.yaml' }
}

/** Files anybody may have: the CLI for other machines, and the schema of `lockgate.yaml`. They say nothing of what runs here. */
export async function downloads(server: FastifyInstance): Promise<void> {
  server.get('/lockgate.schema.json', { schema: { hide: true } }, async () => manifestSchema())
  server.get('/cli.tgz', { schema: { hide: true } }, async (_request, reply) => {
    const path = fileURLToPath(new URL('../../dist/cli.tgz', import.meta.url))
    await access(path).catch(() => {
      throw new NotFoundError('cli.not_built', 'The CLI was not built on this server; "npm run build" builds it.')
    })
    return reply.type('application/gzip').header('content-disposition', 'attachment; filename="lockgate-cli.tgz"').send(createReadStream(path))
  })
}

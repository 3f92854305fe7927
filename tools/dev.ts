// The server from the sources in this terminal, with data of its own in .lockgate/. Ends with Ctrl-C; instances stay unless they are fake.
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Config as EdgeConfig, edgeFolder } from '../src/drivers/edge/haproxy/schema.ts'
import { haproxyArguments, writeInitial } from '../src/drivers/edge/haproxy/start.ts'
import { readIfThere } from '../src/lib/files.ts'
import { openLog } from '../src/lib/log.ts'
import { launch } from '../src/lib/run.ts'
import { startServer } from '../src/main.ts'
import { readSettings } from '../src/settings.ts'
import { ROOT } from './setup/places.ts'

const { values } = parseArgs({
  options: { fake: { type: 'boolean', default: false }, port: { type: 'string', default: '8080' }, listen: { type: 'string', default: '7069' } },
})
const home = join(ROOT, values.fake ? '.lockgate/fake' : '.lockgate/real')
const edgePort = Number(values.port)

await mkdir(join(home, 'data/edge'), { recursive: true })
const drivers = values.fake
  ? // Loopback has room for every fake instance; all of it is gone with the process.
    { instanceRange: '127.77.0.0/16', runtime: { driver: 'fake' }, edge: { driver: 'fake', config: { httpPort: edgePort } }, builder: { driver: 'fake' } }
  : { instanceRange: '10.209.0.0/16', edge: { driver: 'haproxy', config: { httpPort: edgePort, bind: '127.0.0.1' } } }
await writeFile(
  join(home, 'settings.json'),
  JSON.stringify({
    dataDirectory: join(home, 'data'),
    secretsDirectory: join(home, 'secrets'),
    listen: { port: Number(values.listen) },
    logLevel: 'debug',
    ...drivers,
  }),
)
const settings = readSettings(join(home, 'settings.json'))

const edge = values.fake ? null : await startEdge()
const server = await startServer(settings, openLog(settings.logLevel))
const code = (await readIfThere(join(home, 'data/sign-in-code')))?.trim()
process.stderr.write(
  `\nLockgate from the sources: ${server.url}, apps on port ${edgePort}${values.fake ? ', everything fake: lockgate deploy NAME --image fake:good' : ''}\n`,
)
process.stderr.write(`Sign in: LOCKGATE_URL=${server.url} bin/lockgate login ${server.url}${code === undefined ? '' : ` --code ${code}`}\n\n`)

process.on('SIGINT', () => void server.close().then(() => process.exit(edge?.kill() === false ? 1 : 0)))

async function startEdge() {
  const config = EdgeConfig.parse({ ...edgeFolder(settings), ...settings.edge.config })
  await writeInitial(config)
  const child = launch(config.program, haproxyArguments(config))
  child.stderr?.on('data', (chunk: Buffer) => process.stderr.write(chunk))
  child.on('error', () => process.stderr.write('HAProxy does not start; bin/dev --fake needs none.\n'))
  return child
}

// The composition root: reads the settings, makes store and drivers, starts loops and HTTP, stops in order.
import { statfs } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import type { z } from 'zod'
import type { Handling } from './api/call.ts'
import { endpoints } from './api/contract/endpoints.ts'
import type { DeploymentLive } from './api/contract/resources.ts'
import { downloads } from './api/downloads.ts'
import { liveDeployment } from './api/endpoints/deployments.ts'
import { watch } from './api/endpoints/watch.ts'
import { makeServer } from './api/server.ts'
import { showBuild } from './api/show.ts'
import { EVERYTHING, PLATFORM } from './core/actor/actor.ts'
import { Sessions } from './core/actor/sessions.ts'
import { hasLiveAdmin, makeSignInCode } from './core/actor/token.ts'
import type { BuildNeeds } from './core/build/reconciler.ts'
import type { Context, CoreSettings } from './core/context.ts'
import { isDeploymentFinished } from './core/deployment/deployment.ts'
import { type CleanNeeds, cleanDisk } from './core/disk/clean.ts'
import { LogBook } from './core/log/book.ts'
import { LogCollector } from './core/log/collector.ts'
import { startLoops } from './core/loops.ts'
import { ensureDefaultProject } from './core/project/create.ts'
import { registryCredential, registryLevel } from './core/registry/credential.ts'
import { openSealer } from './core/secret/seal.ts'
import type { Sealer } from './core/secret/secret.ts'
import type { BoxNeeds } from './drivers/builder/box/index.ts'
import type { FakeNeeds } from './drivers/builder/fake/index.ts'
import { builders } from './drivers/builder/index.ts'
import type { Builder } from './drivers/builder/types.ts'
import { openDriver } from './drivers/driver.ts'
import { edges } from './drivers/edge/index.ts'
import type { Edge } from './drivers/edge/types.ts'
import { runtimes } from './drivers/runtime/index.ts'
import type { Runtime } from './drivers/runtime/types.ts'
import { openElsewhere } from './git/elsewhere.ts'
import { HookSocket } from './git/hook-socket.ts'
import { PushReceiver } from './git/push.ts'
import { Repositories } from './git/repository.ts'
import { gitRoutes } from './git/smart-http.ts'
import { systemClock } from './lib/clock.ts'
import { messageOf, PlatformError } from './lib/errors.ts'
import { makeFolder, removeHalfWritten, writeAtomic } from './lib/files.ts'
import { formatRange, overlaps, parseAddress, parseRange } from './lib/ipv4.ts'
import { type Log, openLog } from './lib/log.ts'
import { networks } from './lib/outside.ts'
import { notifySystemd } from './lib/systemd.ts'
import { machineChecks, measureFolders } from './machine.ts'
import { readSettings, type Settings } from './settings.ts'
import { openAudit } from './store/audit.ts'
import { DatabaseCare } from './store/care.ts'
import { openSqlite } from './store/sqlite.ts'
import type { Store } from './store/types.ts'
import { VERSION } from './version.ts'

export interface RunningServer {
  readonly url: string
  close(): Promise<void>
}

/** Starts the server. Throws what stops it from starting, as a PlatformError with what to do where we know. */
export async function startServer(settings: Settings, log: Log): Promise<RunningServer> {
  const audit = await openAudit(settings.secretsDirectory)
  const store = await openSqlite({ directory: settings.dataDirectory, clock: systemClock, audit, software: VERSION })
  try {
    return await startOn(store, settings, log)
  } catch (error) {
    await store.close()
    throw error
  }
}

async function startOn(store: Store, settings: Settings, log: Log): Promise<RunningServer> {
  // The database is ours now, so nobody else is in the middle of writing here.
  for (const folder of [settings.dataDirectory, settings.secretsDirectory]) await removeHalfWritten(folder)
  const sealer = await openSealer(settings.secretsDirectory)
  const { runtime, boxes, edge, builder } = await openDrivers({ store, sealer, settings, log })
  const book = new LogBook({ directory: join(settings.dataDirectory, 'logs') })
  const parts = {
    store,
    clock: systemClock,
    log,
    runtime,
    edge,
    sealer,
    settings: coreSettings(settings),
  }
  const collector = new LogCollector(parts, book)
  const care = new DatabaseCare({ directory: settings.dataDirectory, clock: systemClock, log })
  void care.checkAtStart()
  const context: Context = { ...parts, logs: collector }
  const elsewhere = { allowed: networks(settings.sources.allowNetworks), allowHttp: settings.sources.allowHttp }
  const repositories = new Repositories(join(settings.dataDirectory, 'git'), openElsewhere(context, elsewhere), settings.repositoryMegabytes * 1024 ** 2)
  await makeFolder(join(settings.dataDirectory, 'git'), 0o700)
  await repositories.refreshHooks()
  await repositories.sweep()
  await ensureDefaultProject(context)

  const freeBytes = async (): Promise<number> =>
    Math.min(await freeOn(settings.dataDirectory), (await boxes?.freeBytes().catch(() => null)) ?? Number.POSITIVE_INFINITY)
  const disk: CleanNeeds = {
    folders: () => measureFolders(settings.dataDirectory),
    appOfVolume: (name) => /-(a-[a-z0-9]{10})(-|$)/.exec(name)?.[1] ?? null,
    removeVolume: async (name) => boxes?.removeVolume(name),
  }
  const sight = startLoops(context, {
    builder,
    source: repositories,
    book,
    freeBytes,
    makeRoom: async () => void (await cleanDisk(context, disk, PLATFORM)),
    parallelBuilds: settings.parallelBuilds,
    publish: publisher(settings.artifactsRegistry, runtime),
    listed: (all) => collector.observe(all),
    keepDatabase: () => care.keep(),
  })
  const edgePort = Number(settings.edge.config['httpPort'])
  const url = `http://${settings.listen.host.includes(':') ? `[${settings.listen.host}]` : settings.listen.host}:${settings.listen.port}`
  const urlOf = urlMaker(edgePort, settings.edge.config['httpsPort'])
  const sessions = new Sessions(context)
  const handling: Handling = {
    ...context,
    version: VERSION,
    sight,
    sessions,
    source: repositories,
    book,
    urlOf,
    edgePort,
    freeBytes,
    disk,
    apiUrl: url,
    names: [settings.listen.host, ...settings.listen.names],
    machineChecks: async () => [
      ...(await machineChecks(settings, freeBytes)),
      ...(await care.checks()),
      ...(await builder.checks()).map((check) => ({ area: 'builds', ...check })),
    ],
  }
  const showOne = async (id: string) => endpoints.readBuild.response.parse(await showBuild(store.read, await store.read.builds.get(EVERYTHING, id)))
  const receiver = new PushReceiver(context, { repositories, book, showBuild: showOne, follow: (id, signal) => followDeployment(handling, id, signal), urlOf })
  const hooks = new HookSocket(join(settings.dataDirectory, 'git', 'hook.sock'), receiver)
  await hooks.listen()
  const http = await makeServer(handling, [gitRoutes({ context, repositories, hooks, sessions }), downloads])
  refuseInstances(http, settings)
  await offerSignIn(context, settings)
  await http.listen({ host: settings.listen.host, port: settings.listen.port })
  return {
    url,
    close: async () => {
      await http.close()
      hooks.close()
      sessions.close()
      await sight.close()
      await collector.close()
      await store.close()
    },
  }
}

function coreSettings(settings: Settings): CoreSettings {
  const { appsDomain, domains, listen, sources } = settings
  return {
    appsDomain,
    instanceRange: parseRange(settings.instanceRange),
    consoleHosts: [listen.host, ...listen.names, hostname().toLowerCase(), ...domains.reserved],
    domainProof: domains.proof === 'txt' ? { resolvers: domains.resolvers } : null,
    maxima: { all: settings.maxima, projects: settings.projectMaxima },
    allowHttpSources: sources.allowHttp,
  }
}

async function openDrivers(by: { readonly store: Store; readonly sealer: Sealer; readonly settings: Settings; readonly log: Log }) {
  const { store, sealer, settings, log } = by
  const server = {
    installation: store.installation,
    instanceRange: formatRange(parseRange(settings.instanceRange)),
    dataDirectory: settings.dataDirectory,
  }
  const registries = {
    registryCredential: (registry: string) => registryCredential({ store, sealer }, registry),
    registryLevel: (registry: string) => registryLevel({ store }, registry),
  }
  const { runtime, boxes } = await openDriver(runtimes, { part: 'runtime', ...settings.runtime }, { server, needs: registries })
  const edge: Edge = await openDriver(edges, { part: 'edge', ...settings.edge }, { server, needs: { log } })
  const resolveImage: Runtime['resolveImage'] = (reference) => runtime.resolveImage(reference)
  const builder = await openDriver<Builder, BoxNeeds & FakeNeeds>(
    builders,
    { part: 'builder', ...settings.builder },
    { server, needs: { boxes, log, resolveImage } },
  )
  return { runtime, boxes, edge, builder }
}

function publisher(registry: string | null, runtime: Runtime): BuildNeeds['publish'] {
  return registry === null ? null : ({ digest, app, buildId }) => runtime.shareImage(digest, `${registry}/${app}:${buildId}`)
}

function urlMaker(httpPort: number, httpsPort: unknown): (host: string, path: string) => string {
  const secure = typeof httpsPort === 'number'
  const port = secure ? httpsPort : httpPort
  const suffix = port === (secure ? 443 : 80) ? '' : `:${port}`
  return (host, path) => `${secure ? 'https' : 'http'}://${host}${suffix}${path}`
}

async function* followDeployment(handling: Handling, id: string, signal: AbortSignal): AsyncGenerator<z.output<typeof DeploymentLive>> {
  const look = async () => {
    const deployment = await handling.store.read.deployments.get(EVERYTHING, id)
    return { data: await liveDeployment(handling, deployment), ended: isDeploymentFinished(deployment) }
  }
  for await (const { data } of watch(handling.store, look, signal)) yield endpoints.readDeployment.response.parse(data)
}

async function freeOn(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(path)
  return bavail * bsize
}

/** An instance must never reach the API by the gateway of its own network, whatever address we were told to listen on. */
function refuseInstances(http: FastifyInstance, settings: Settings): void {
  const range = parseRange(settings.instanceRange)
  http.server.on('connection', (socket) => {
    const local = socket.localAddress?.replace(/^::ffff:/, '') ?? ''
    if (/^\d+\.\d+\.\d+\.\d+$/.test(local) && overlaps(range, { first: parseAddress(local), prefix: 32 })) socket.destroy()
  })
}

/** While nobody can sign in, a one-time code lies in a file only the server's user can read, and is said once. */
async function offerSignIn(context: Context, settings: Settings): Promise<void> {
  const path = join(settings.dataDirectory, 'sign-in-code')
  const offer = async (): Promise<void> => {
    await writeAtomic(path, `${await makeSignInCode(context)}\n`, 0o600)
    context.log.info('sign in with the one-time code in this file', { path })
  }
  if (!(await hasLiveAdmin(context))) await offer()
  process.on('SIGUSR2', () => void offer())
}

/**
 * systemd kills and starts a server that does not say that it is alive. From now on it is missed after 30 s; the unit allows more, for
 * the start takes minutes on a machine that is slow or busy.
 */
function tellSystemd(log: Log): void {
  const tell = (): void =>
    void notifySystemd('WATCHDOG=1', 'WATCHDOG_USEC=30000000').catch((error: unknown) => log.warn('systemd was not told', { error: messageOf(error) }))
  tell()
  setInterval(tell, 10_000)
}

async function main(): Promise<void> {
  const settings = readSettings(process.env['LOCKGATE_SETTINGS'] ?? '/etc/lockgate/settings.json')
  const log = openLog(settings.logLevel)
  const began = performance.now()
  const server = await startServer(settings, log)
  log.info('ready', { url: server.url, version: VERSION, ms: Math.round(performance.now() - began), pid: process.pid })
  if (process.env['WATCHDOG_USEC'] !== undefined) tellSystemd(log)
  let stopping = false
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (stopping) return
      stopping = true
      log.info('stopping', { signal })
      void server.close().then(() => process.exit(0))
    })
  }
}

if (import.meta.main) {
  main().catch((error: unknown) => {
    process.stderr.write(`lockgate-server: ${messageOf(error)}\n`)
    if (!(error instanceof PlatformError)) console.error(error)
    // 78: configuration; a supervisor need not try again at once.
    process.exit(error instanceof PlatformError && !error.retryable ? 78 : 1)
  })
}

// One kill: an app that serves and is asked all the time, a verb, and the server that kills itself at a point, is started again
// and has to go on as if nothing had been. One installation serves many of them.
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, type TestContext } from 'vitest'
import { endpoints } from '../../src/api/contract/endpoints.ts'
import { startDisruption } from './disruption/index.ts'
import type { Report } from './disruption/types.ts'
import { ask } from './edge.ts'
import { testImage } from './images.ts'
import { anInstallation, type Installation, type Live } from './installation.ts'
import { APPS, type AppKind, type KillCase, STRATEGIES } from './kill-cases.ts'
import { expectSteady, expectUndisturbed, type State } from './kill-expect.ts'
import { tell } from './proof.ts'
import { until } from './until.ts'
import { watchApp } from './watcher.ts'
import { expectWhole, filesWith, type Running } from './world.ts'

const VERSIONS = ['one', 'two'] as const

/** An app of the rig, as it is between two cases. */
interface RigApp {
  readonly name: string
  readonly kind: AppKind
  readonly environmentId: string
  readonly secret: string
  version: string
  count: number
}

export interface KillRig {
  readonly lockgate: Installation
  /** Runs one case and asserts everything that has to hold after it. */
  kill(one: KillCase, context: Pick<TestContext, 'task'>): Promise<void>
  stop(): Promise<void>
}

/** `deadlineMs`: how long a deployment may take after the server was started again. */
export async function aKillRig(options: { readonly range: string; readonly deadlineMs: number }): Promise<KillRig> {
  const lockgate = await anInstallation({ range: options.range })
  const rig = new Rig(lockgate, options.deadlineMs)
  await rig.restart()
  return { lockgate, kill: (one, context) => rig.kill(one, context), stop: () => lockgate.stop() }
}

const here = (app: RigApp) => ({ app: app.name, environment: 'production' }) as never

class Rig {
  readonly #lockgate: Installation
  readonly #deadlineMs: number
  readonly #apps = new Map<string, RigApp>()
  /** Apps that a failed case may have left in any state: never looked at again, but removed. */
  #spoiled = 0

  constructor(lockgate: Installation, deadlineMs: number) {
    this.#lockgate = lockgate
    this.#deadlineMs = deadlineMs
  }

  get #point(): string {
    return join(this.#lockgate.directory, 'point')
  }

  /** Ends the server in order, and starts it so that it reads where to die. */
  async restart(): Promise<void> {
    await this.#lockgate.stopServer()
    await this.#start()
  }

  #start(): Promise<void> {
    return this.#lockgate.start({ LOCKGATE_TEST_MODE: 'crash', LOCKGATE_FAILPOINT_FILE: this.#point })
  }

  async kill(one: KillCase, { task }: Pick<TestContext, 'task'>): Promise<void> {
    const key = `${one.strategy}-${one.app}`
    try {
      const app = this.#apps.get(key) ?? (await this.#make(one))
      const report = await this.#run(one, app)
      // Everything that failed for another reason has failed the case already.
      const told = one.verb === 'stop' || one.verb === 'start' ? { failed: 0, 'told that it is stopped': report.failed } : { failed: report.failed }
      tell(task, { kills: 1, sent: report.sent, ...told })
    } catch (error) {
      await this.#spoil(key)
      throw error
    }
  }

  /** An app with release `one` live, and one more release before it to go back to. */
  async #make({ app: word, strategy }: KillCase): Promise<RigApp> {
    const kind: AppKind = APPS[word]
    const name = `${strategy}-${word}${this.#spoiled > 0 ? `-${this.#spoiled}` : ''}`
    await this.#lockgate.create(name)
    const secret = `hush-${name}-4f1d8c`
    await this.#lockgate.call(endpoints.changeConfig, { params: here({ name } as RigApp), body: { set: { ...kind.env, TELLS: secret }, secret: ['TELLS'] } })
    const app = { name, kind, secret, version: 'one', count: kind.count, environmentId: (await this.#lockgate.status(name)).id }
    this.#apps.set(`${strategy}-${word}`, app)
    if (kind.count > 1) await this.#lockgate.deploy(name, { verb: 'scale', count: kind.count })
    // Nobody asks yet: a canary would have nothing to go by.
    const first = `strategy: blue-green\n${kind.manifest}`
    for (const version of ['two', 'one'])
      await this.#well(this.#lockgate.deploy(name, { verb: 'deploy', image: await this.#image(app, version), manifest: first }))
    await this.#lockgate.call(endpoints.changeEnvironment, { params: here(app), body: { strategy: STRATEGIES[strategy] } })
    return app
  }

  async #spoil(key: string): Promise<void> {
    const app = this.#apps.get(key)
    this.#apps.delete(key)
    this.#spoiled += 1
    await rm(this.#point, { force: true })
    if (this.#lockgate.hasEnded()) await this.#start()
    if (app === undefined) return
    await this.#lockgate.call(endpoints.removeApp, { params: { app: app.name as never } })
    await until('it is gone', async () => !(await this.#lockgate.call(endpoints.listApps, {})).some((one) => one.name === app.name), 60_000)
  }

  async #well(ending: Promise<Live>): Promise<void> {
    const { deployment } = await ending
    expect(deployment, deployment.message).toMatchObject({ status: 'succeeded' })
  }

  #image(app: Pick<RigApp, 'kind'>, version: string): Promise<string> {
    return testImage(this.#lockgate.boxes, app.kind.image, version)
  }

  async #run(one: KillCase, app: RigApp): Promise<Report> {
    await this.#prepare(one, app)
    const lockgate = this.#lockgate
    const host = `${app.name}.localhost`
    await writeFile(this.#point, one.point)
    const clients = await startDisruption({ port: lockgate.edge.config.httpPort, host, rate: 60, kinds: app.kind.clients })
    const watcher = watchApp(lockgate, { host, environmentId: app.environmentId })
    const across = await this.#across(one, app).catch((error: unknown) => ({ error }))
    const [report, watched] = [await clients.stop(), await watcher.stop()]
    if ('error' in across) throw across.error
    const { ended, seconds } = across

    const before = { version: app.version, count: app.count }
    const after = expected(one, app)
    app.version = after.version
    app.count = after.count
    expect(ended.deployment, ended.deployment.message).toMatchObject({ status: one.verb === 'cancel' ? 'cancelled' : 'succeeded' })
    expect(ended.steps.filter((step) => step.status === 'intended')).toEqual([])
    expect(seconds * 1_000, 'from the start of the server to the end of the deployment').toBeLessThan(this.#deadlineMs + app.kind.slowMs)
    expectUndisturbed(one, report)
    expectSteady({ one, before, after }, watched)
    await this.#expectAfter(one, app)
    await this.#expectSecret(app, ended)
    return report
  }

  /** Brings the app to where the verb makes sense, without any kill. */
  async #prepare({ verb }: KillCase, app: RigApp): Promise<void> {
    const lockgate = this.#lockgate
    if (verb === 'rollback') {
      const version = otherThan(app.version)
      await this.#well(lockgate.deploy(app.name, { verb: 'deploy', image: await this.#image(app, version), manifest: app.kind.manifest }))
      app.version = version
    }
    if (verb === 'start') await this.#well(lockgate.deploy(app.name, { verb: 'stop' }))
    if (verb === 'scale-up' && app.count > app.kind.count) await this.#scale(app, app.kind.count)
    if (verb === 'scale-down' && app.count <= app.kind.count) await this.#scale(app, app.kind.count + 1)
  }

  async #scale(app: RigApp, count: number): Promise<void> {
    await this.#well(this.#lockgate.deploy(app.name, { verb: 'scale', count }))
    app.count = count
  }

  /** The verb, the kill in its middle, the start, the end. */
  async #across(one: KillCase, app: RigApp): Promise<{ readonly ended: Live; readonly seconds: number }> {
    const lockgate = this.#lockgate
    const { deployment } = await lockgate.call(endpoints.openDeployment, { params: here(app), body: await this.#body(one, app) })
    const id = deployment?.id ?? ''
    if (one.verb === 'cancel') await this.#cancelOnTheWay(id)
    if (one.verb === 'pause') await this.#pauseOnTheWay(id, one.point)
    await until(`the server dies at ${one.point}`, () => lockgate.hasEnded(), 30_000)
    // The kill removes the file: it is the one that was asked for, and no other end.
    expect(await readFile(this.#point, 'utf8').catch(() => null), 'the kill did not land').toBeNull()
    await this.#start()
    const began = performance.now()
    if (one.verb === 'cancel') await lockgate.call(endpoints.cancelDeployment, { params: { id } })
    if (one.verb === 'pause' && one.point !== 'resume.after-result') await this.#resume(id)
    const ended = await lockgate.ended(id)
    return { ended, seconds: (performance.now() - began) / 1_000 }
  }

  /** Cancels as soon as the new release starts, or finds the server dead before. */
  async #cancelOnTheWay(id: string): Promise<void> {
    const lockgate = this.#lockgate
    const starts = async (): Promise<boolean> => {
      const { steps } = await lockgate.call(endpoints.readDeployment, { params: { id } })
      return steps.some((step) => step.kind === 'start' && step.status === 'intended')
    }
    await this.#unlessDead(async () => {
      await until('it starts', async () => lockgate.hasEnded() || (await starts()), 30_000)
      await lockgate.call(endpoints.cancelDeployment, { params: { id } })
    })
  }

  /** Pauses it at once, and lets it go on where the kill is to land there. */
  async #pauseOnTheWay(id: string, point: string): Promise<void> {
    await this.#unlessDead(async () => {
      await until('it has begun', async () => (await this.#statusOf(id)) === 'running', 10_000)
      await this.#lockgate.call(endpoints.pauseDeployment, { params: { id } })
      if (point.startsWith('resume')) await this.#resume(id)
    })
  }

  async #resume(id: string): Promise<void> {
    await until('it stands still', async () => (await this.#statusOf(id)) === 'paused', 10_000)
    await this.#lockgate.call(endpoints.resumeDeployment, { params: { id } })
  }

  async #statusOf(id: string): Promise<string> {
    return (await this.#lockgate.call(endpoints.readDeployment, { params: { id } })).deployment.status
  }

  /** What is asked of a server that may die of it. */
  async #unlessDead(ask: () => Promise<unknown>): Promise<void> {
    try {
      await ask()
    } catch (error) {
      await until('the server is dead', () => this.#lockgate.hasEnded(), 1_000).catch(() => {
        throw error
      })
    }
  }

  async #body({ verb }: KillCase, app: RigApp) {
    const image = await this.#image(app, otherThan(app.version))
    const { manifest } = app.kind
    switch (verb) {
      case 'scale-up':
        return { verb: 'scale', count: app.kind.count + 1 } as const
      case 'scale-down':
        return { verb: 'scale', count: app.kind.count } as const
      case 'cancel': {
        const late = 'processes:\n  web:\n    command: [node, -e, "setTimeout(() => require(\'/app/server.js\'), 20000)"]\n'
        return { verb: 'deploy', image, manifest: `${manifest}${late}` } as const
      }
      case 'deploy':
      case 'pause':
        return { verb: 'deploy', image, manifest } as const
      default:
        return { verb } as const
    }
  }

  async #expectAfter({ verb }: KillCase, app: RigApp): Promise<void> {
    const { httpPort } = this.#lockgate.edge.config
    for (let times = 0; times < 6; times += 1) {
      const answer = await ask(httpPort, `${app.name}.localhost`)
      if (verb === 'stop') expect(answer.status).toBe(503)
      else expect(answer.headers['x-version']).toBe(app.version)
    }
    const running = [...this.#apps.values()].map((one): Running => ({ app: one.name, count: one === app && verb === 'stop' ? 0 : one.count }))
    await expectWhole(this.#lockgate, running)
    if (verb === 'stop') await this.#well(this.#lockgate.deploy(app.name, { verb: 'start' }))
  }

  /** I8: its value is in no log of ours, in no answer and in no file. */
  async #expectSecret(app: RigApp, ended: Live): Promise<void> {
    const lockgate = this.#lockgate
    expect(lockgate.log()).not.toContain(app.secret)
    expect(JSON.stringify([ended, await lockgate.call(endpoints.readEnvironment, { params: here(app) })])).not.toContain(app.secret)
    expect(await filesWith(lockgate, app.secret)).toEqual([])
  }
}

function otherThan(version: string): string {
  return version === VERSIONS[0] ? VERSIONS[1] : VERSIONS[0]
}

function expected({ verb }: KillCase, app: RigApp): State {
  if (verb === 'deploy' || verb === 'pause' || verb === 'rollback') return { version: otherThan(app.version), count: app.count }
  if (verb === 'scale-up') return { version: app.version, count: app.kind.count + 1 }
  if (verb === 'scale-down') return { version: app.version, count: app.kind.count }
  return { version: app.version, count: app.count }
}

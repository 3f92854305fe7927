import type { z } from 'zod'
import { BuildFlow, endLines, FlowLines } from '../api/contract/flow.ts'
import type { Build, DeploymentLive } from '../api/contract/resources.ts'
import type { Actor } from '../core/actor/actor.ts'
import { EVERYTHING } from '../core/actor/actor.ts'
import { may } from '../core/actor/may.ts'
import type { App } from '../core/app/app.ts'
import { unchangedSince, watchedBy } from '../core/app/watch.ts'
import { isBuildFinished } from '../core/build/build.ts'
import { openBuild } from '../core/build/open.ts'
import type { Context } from '../core/context.ts'
import type { Environment } from '../core/environment/environment.ts'
import { targetOf } from '../core/environment/target.ts'
import type { LogBook } from '../core/log/book.ts'
import { keepPush } from '../core/push/keep.ts'
import { pushRef } from '../core/push/push.ts'
import { losingItsName, originsOf, type RefChange, recordRef } from '../core/push/refs.ts'
import { pause } from '../lib/clock.ts'
import { plainText } from '../lib/control-bytes.ts'
import { messageOf } from '../lib/errors.ts'
import { isRefName } from '../lib/ref-name.ts'
import type { Repositories } from './repository.ts'

/** One ref of a push, as git names it. */
export interface RefCommand {
  readonly before: string
  readonly after: string
  readonly ref: string
}

export interface PushNeeds {
  readonly repositories: Repositories
  readonly book: LogBook
  /** Pictures of a deployment until it has ended. */
  readonly follow: (deploymentId: string, signal: AbortSignal) => AsyncIterable<z.output<typeof DeploymentLive>>
  /** A build as people see it, with its steps. */
  readonly showBuild: (id: string) => Promise<z.output<typeof Build>>
  readonly urlOf: (host: string, path: string) => string
}

export interface PushedBy {
  readonly actor: Actor
  readonly app: App
}

const ZERO = /^0+$/
const BRANCH = /^refs\/heads\/(.+)$/

/**
 * What happens to the refs of a push. The commit is kept under `refs/lockgate/pushes/N`; a branch moves only when its
 * deployment has succeeded. The pusher may leave: the work goes on.
 */
export class PushReceiver {
  readonly #context: Context
  readonly #needs: PushNeeds

  constructor(context: Context, needs: PushNeeds) {
    this.#context = context
    this.#needs = needs
  }

  /** Null: accepted; else the reason git shows in its `[remote rejected]`. `print` writes a line to the pusher. */
  async receive(command: RefCommand, by: PushedBy, print: (line: string) => void): Promise<string | null> {
    try {
      // Names may hold characters that steer a terminal.
      const refused = await this.#receive(command, by, (line) => print(plainText(line, true)))
      return refused === null ? null : plainText(refused)
    } catch (error) {
      return oneLine(messageOf(error))
    }
  }

  async #receive(command: RefCommand, by: PushedBy, print: (line: string) => void): Promise<string | null> {
    const { app } = by
    const { ref, after } = command
    const environments = await this.#context.store.read.environments.list(EVERYTHING, { where: { appId: app.id, goneAt: null } })
    const branch = BRANCH.exec(ref)?.[1]
    const target = targetOf(environments, ref)
    if (app.removedAt !== null) return `${app.name} is being removed`
    if (!/^refs\/(heads|tags)\//.test(ref) || !isRefName(ref)) return 'only branches and tags can be pushed, with names that are text'
    if (await this.#hasMoved(command, app)) return `${branch ?? ref} has moved meanwhile: fetch it, and push again`
    // Also for a deletion: whoever may not push such a tag or branch does not take it away.
    if (target !== null && !may(by.actor, 'source.push', target)) return `${by.actor.name} (${by.actor.role}) may not push to ${target.name}`
    const nameless = await this.#losing(command, by, environments)
    if (nameless !== null)
      return `${branch ?? ref} names the release that ${nameless.name} runs, and ${by.actor.name} (${by.actor.role}) may not push to ${nameless.name}`
    if (ZERO.test(after)) {
      if (target !== null && target.branch === branch) return `${branch} is what ${target.name} is deployed from, and cannot be deleted`
      await this.#setRef(command, by)
      return null
    }
    if (!target) {
      await this.#setRef(command, by)
      print(
        branch === undefined
          ? `tag kept; nothing is deployed${tagsOf(environments)}`
          : `${branch} kept; nothing is deployed: ${environments.map((one) => `${one.branch} → ${one.name}`).join(', ')}`,
      )
      return null
    }
    const untouched = await unchangedSince(this.#context, this.#needs.repositories, { app, environment: target, commitId: after })
    if (untouched !== null) {
      await this.#setRef(command, by)
      print(`${branch ?? ref} kept; nothing is built: no change of ${watchedBy(app).join(', ')} since ${untouched.slice(0, 7)}, which ${target.name} runs`)
      return null
    }
    return this.#deploy({ command, by, environment: target, print })
  }

  /** The protected environment whose release would lose its name, where the pusher may not do that. */
  async #losing(command: RefCommand, by: PushedBy, environments: readonly Environment[]): Promise<Environment | null> {
    const change = changeOf(command)
    if (change.before === null) return null
    const commitId = await this.#needs.repositories.commitOf(by.app.name, command.ref)
    return losingItsName(await originsOf(this.#context, by.app, environments), { ...change, commitId }, by.actor)
  }

  /** Moves or deletes a ref without a deployment: the ref first, then the event, so that no event tells of what did not happen. */
  async #setRef(command: RefCommand, by: PushedBy): Promise<void> {
    const change = changeOf(command)
    await this.#needs.repositories.setRef(by.app.name, change.ref, change.after)
    await recordRef(this.#context, by, change)
  }

  /** Whether the ref is not where the pusher saw it, and what was pushed is not a child of where it is. */
  async #hasMoved({ ref, before, after }: RefCommand, app: App): Promise<boolean> {
    const { repositories } = this.#needs
    const current = await repositories.commitOf(app.name, ref)
    if (current === null || current === before) return current === null && !ZERO.test(before)
    return ZERO.test(after) || !(await repositories.isAncestor(app.name, current, after))
  }

  async #deploy(push: Deploying): Promise<string | null> {
    const { command, by, environment, print } = push
    const { app, actor } = by
    let number = 0
    // An annotated tag is an object of its own; what is built is the commit it names.
    const commitId = (await this.#needs.repositories.commitOf(app.name, command.after)) ?? command.after
    const opened = await openBuild(this.#context, this.#needs.repositories, {
      actor,
      app,
      environment,
      ref: command.ref,
      commitId,
      rebuild: false,
      also: async (tx, begun) => {
        number = await keepPush(tx, { actor, app, environment, ref: command.ref, commitId: command.after, opened: begun, now: this.#context.clock.now() })
      },
    })
    await this.#needs.repositories.setRef(app.name, pushRef(number), command.after)
    print('')
    let deploymentId = opened.deployment?.id ?? null
    if (opened.build) {
      print(`push ${number}: build ${opened.build.id} of ${command.after.slice(0, 7)} for ${app.name} ${environment.name}`)
      const failed = await this.#followBuild(opened.build.id, print)
      if (failed !== null) return failed
      deploymentId = (await this.#context.store.read.builds.get(EVERYTHING, opened.build.id)).deploymentId
    } else
      print(
        `push ${number}: ${command.after.slice(0, 7)} was built before; deploying it ("lockgate deploy ${app.name} --ref ${command.after.slice(0, 12)} --rebuild" builds it again)`,
      )
    if (deploymentId === null) return 'the build opened no deployment'
    const failed = await this.#followDeployment(deploymentId, print)
    if (failed !== null) return failed
    await this.#moved(number)
    const domains = await this.#context.store.read.domains.list(EVERYTHING, { where: { environmentId: environment.id }, orderBy: 'createdAt' })
    for (const domain of domains) if (!domain.host.startsWith('*')) print(`live at ${this.#needs.urlOf(domain.host, domain.path)}`)
    print('')
    return null
  }

  /** Resolves when the branch was moved: git may say so then. */
  async #moved(number: number): Promise<void> {
    for (let looks = 0; looks < 100; looks++) {
      const push = await this.#context.store.read.pushes.get(EVERYTHING, String(number))
      if (push.settledAt !== null) return
      await pause(50)
    }
  }

  async #followBuild(id: string, print: (line: string) => void): Promise<string | null> {
    const stop = new AbortController()
    const { store } = this.#context
    const look = async () => store.read.builds.get(EVERYTHING, id)
    const lines = this.#needs.book.follow(`build/${id}`, 0, stop.signal)
    const flow = new BuildFlow()
    const news = async (atEnd = false): Promise<void> => {
      const seen = await this.#needs.showBuild(id)
      // Its end is said after its last line.
      if (seen.finishedAt !== null && !atEnd) return
      for (const line of flow.next(seen)) print(plainText(line.split('\n')[0] ?? ''))
    }
    const printing = (async () => {
      for await (const line of lines) print(`  ${plainText(line.text, true)}`)
    })()
    let build = await look()
    while (!isBuildFinished(build)) {
      await news()
      await pause(100)
      build = await look()
    }
    // Its last lines were flushed before its end was written.
    await pause(50)
    stop.abort()
    await printing
    await news(true)
    if (build.status === 'succeeded') return null
    return oneLine(build.status === 'failed' ? `build failed: ${build.message}` : `build ${build.status}: ${build.message}`)
  }

  async #followDeployment(id: string, print: (line: string) => void): Promise<string | null> {
    const flow = new FlowLines()
    let last: z.output<typeof DeploymentLive> | null = null
    print(`deployment ${id}`)
    for await (const live of this.#needs.follow(id, new AbortController().signal)) {
      for (const line of flow.next(live)) print(`  ${plainText(line)}`)
      last = live
    }
    if (!last) return 'the deployment could not be followed'
    for (const line of endLines(last)) print(plainText(line))
    if (last.deployment.status === 'succeeded') return null
    return oneLine(`deployment ${last.deployment.status}: ${last.deployment.message}`)
  }
}

interface Deploying {
  readonly command: RefCommand
  readonly by: PushedBy
  readonly environment: Environment
  readonly print: (line: string) => void
}

function tagsOf(environments: readonly Environment[]): string {
  const patterns = environments.flatMap((one) => (one.tags === null ? [] : [`${one.tags} → ${one.name}`]))
  return patterns.length === 0 ? '' : `: ${patterns.join(', ')}`
}

/** Git shows a reason on one line. */
function oneLine(text: string): string {
  return plainText(text.replace(/\s+/g, ' ')).trim().slice(0, 200)
}

function changeOf({ ref, before, after }: RefCommand): RefChange {
  return { ref, before: ZERO.test(before) ? null : before, after: ZERO.test(after) ? null : after }
}

import type { z } from 'zod'
import { endpoints } from '../api/contract/endpoints.ts'
import { BuildFlow, endLines, FlowLines, shortInstance, stepLine, stepWord } from '../api/contract/flow.ts'
import type { Build, DeploymentLive } from '../api/contract/resources.ts'
import { plainText } from '../lib/control-bytes.ts'
import { CliError, EXIT } from './exit.ts'
import type { Terminal } from './output.ts'
import { paint, paintStatus, safe, widthOf } from './render.ts'

type LiveView = z.output<typeof DeploymentLive>
type BuildView = z.output<typeof Build>

const REDRAW_MS = 100
const SPINNER = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'] as const

/** Follows a deployment to its end; throws CliError when it did not succeed. Ctrl-C leaves it going. */
export async function followDeployment(terminal: Terminal, id: string): Promise<void> {
  const onInterrupt = interruptible(id)
  const screen = terminal.json ? null : process.stdout.isTTY ? new Screen() : new Lines()
  let last: LiveView | null = null
  try {
    for await (const live of terminal.client.follow(endpoints.followDeployment, { params: { id } })) {
      last = live
      screen?.show(live)
    }
  } finally {
    screen?.close()
    process.off('SIGINT', onInterrupt)
  }
  const live = last ?? (await terminal.client.call(endpoints.readDeployment, { params: { id } }))
  const { status, containedIn } = live.deployment
  if (containedIn !== null) {
    terminal.say(`${id} was superseded by ${containedIn}, which brings its changes too: following that one`)
    return followDeployment(terminal, containedIn)
  }
  terminal.show(live, () =>
    paintEnd(
      status,
      endLines(live).map((line) => plainText(line)),
    ),
  )
  if (status !== 'succeeded') throw new CliError('', EXIT.failed)
}

/** Follows a build, its log and its steps as they come, and then the deployment it opened. */
export async function followBuild(terminal: Terminal, id: string): Promise<void> {
  const onInterrupt = interruptible(id)
  terminal.say(`build ${id}`)
  const flow = new BuildFlow()
  const say = (build: BuildView): void => {
    for (const line of flow.next(build)) terminal.say(plainText(line))
  }
  try {
    await Promise.all([sayLog(terminal, id), saySteps(terminal, id, say)])
  } finally {
    process.off('SIGINT', onInterrupt)
  }
  const build = await terminal.client.call(endpoints.readBuild, { params: { id } })
  say(build)
  if (build.deploymentId !== null) return followDeployment(terminal, build.deploymentId)
  if (terminal.json) terminal.show(build, () => '')
  if (build.status !== 'succeeded') throw new CliError('', EXIT.failed)
}

async function sayLog(terminal: Terminal, id: string): Promise<void> {
  for await (const line of terminal.client.follow(endpoints.followBuildLog, { params: { id }, query: { lines: 10_000 } }))
    terminal.say(`  ${plainText(line.text, process.stdout.isTTY)}`)
}

/** Up to its end, which is said when all of its log was. */
async function saySteps(terminal: Terminal, id: string, say: (build: BuildView) => void): Promise<void> {
  for await (const build of terminal.client.follow(endpoints.followBuild, { params: { id } })) if (build.finishedAt === null) say(build)
}

/** Ctrl-C ends the watching, not the work. */
function interruptible(id: string): () => void {
  const onInterrupt = (): void => {
    process.stderr.write(`\nIt goes on without you: "lockgate follow ${id}" watches again, "lockgate cancel ${id}" ends it.\n`)
    process.exit(EXIT.interrupted)
  }
  process.on('SIGINT', onInterrupt)
  return onInterrupt
}

function paintEnd(status: string, lines: readonly string[]): string {
  const [first = '', ...rest] = lines
  return [paint(status === 'succeeded' ? 'green' : 'red', first), ...rest].join('\n')
}

/** For outputs that cannot be rewritten: a CI job's log, a file. */
class Lines {
  readonly #flow = new FlowLines()

  show(live: LiveView): void {
    for (const line of this.#flow.next(live)) process.stdout.write(`${plainText(line)}\n`)
  }

  close(): void {
    // Every line is written already.
  }
}

/** The ordered flow, drawn anew in place: steps done, steps at work with their seconds and requests in flight, steps to come. */
class Screen {
  #live: LiveView | null = null
  #drawn = 0
  #frame = 0
  #receivedAt = 0
  readonly #timer: NodeJS.Timeout

  constructor() {
    this.#timer = setInterval(() => this.#draw(), REDRAW_MS)
  }

  show(live: LiveView): void {
    this.#live = live
    this.#receivedAt = performance.now()
    this.#draw()
  }

  close(): void {
    clearInterval(this.#timer)
    this.#draw(true)
  }

  #draw(last = false): void {
    if (!this.#live) return
    const since = (performance.now() - this.#receivedAt) / 1000
    const lines = screenLines(this.#live, { since: last ? 0 : since, spinner: SPINNER[this.#frame++ % SPINNER.length] ?? '', rows: process.stdout.rows ?? 24 })
    const columns = process.stdout.columns ?? 80
    const up = this.#drawn > 0 ? `\u001b[${this.#drawn}A\u001b[0J` : ''
    process.stdout.write(`${up}${lines.map((line) => clip(line, columns)).join('\n')}\n`)
    this.#drawn = lines.length
  }
}

/** One picture of a deployment, at most as high as the terminal. */
function screenLines(live: LiveView, how: { readonly since: number; readonly spinner: string; readonly rows: number }): string[] {
  const { deployment } = live
  const what = deployment.release === null ? '' : ` ${deployment.release}`
  const head = `${paint('bold', `${deployment.verb} ${deployment.app} ${deployment.environment}${what}`)}  ${deployment.id}  ${deployment.strategy.kind}  ${paintStatus(deployment.status)}`
  const done = live.steps.map((step) => {
    if (step.status === 'intended') return paint('cyan', stepLine({ ...step, seconds: step.seconds + how.since }).replace('…', how.spinner))
    const line = stepLine(step)
    return step.status === 'done' ? line.replace('✓', paint('green', '✓')) : paint('red', line)
  })
  const open = live.steps.filter((step) => step.status === 'intended').length
  const planned = live.planned.slice(open).map((name) => paint('dim', `· ${plannedWords(name)}`))
  // A step that waits says so on its own line.
  const isSaid = live.steps.some((step) => step.status === 'intended' && step.waiting !== null)
  const foot = deployment.blocked === null || isSaid ? [] : [paint('dim', `  ${safe(deployment.blocked)}`)]
  const room = Math.max(6, how.rows - 3)
  const body = [...done, ...planned]
  // Where it does not fit, what is at work stays in sight: the oldest steps scroll out above it.
  const from = body.length <= room ? 0 : Math.max(0, Math.min(done.length - 4, body.length - room))
  const shown = body.slice(from, from + room)
  return [head, ...shown, ...foot]
}

/** `start web.0 (set 4)` out of `start lockgate-x7k2mq-shop--production-4-0`. */
function plannedWords(name: string): string {
  const [kind = '', ...rest] = name.split(' ')
  return [stepWord(kind as Parameters<typeof stepWord>[0]), ...rest.map((word) => shortInstance(word))].join(' ')
}

function clip(line: string, columns: number): string {
  if (widthOf(line) <= columns) return line
  const plain = plainText(line)
  return `${[...plain].slice(0, Math.max(1, columns - 1)).join('')}…`
}

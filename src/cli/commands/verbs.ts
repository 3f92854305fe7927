import { readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import type { z } from 'zod'
import type { AnswerOf } from '../../api/contract/endpoint.ts'
import { endpoints } from '../../api/contract/endpoints.ts'
import { shortInstance, stepWord } from '../../api/contract/flow.ts'
import type { OpenDeployment } from '../../api/contract/inputs.ts'
import type { PlannedStep } from '../../api/contract/resources.ts'
import { CliError, EXIT } from '../exit.ts'
import { followBuild, followDeployment } from '../live.ts'
import type { Run, Terminal } from '../output.ts'
import { packFolder } from '../pack.ts'
import { placeNamed } from '../place.ts'
import { sizeOf, table } from '../render.ts'

interface VerbOptions {
  readonly environment?: string
  readonly plan?: boolean
  readonly detach?: boolean
}

type Body = z.input<typeof OpenDeployment>

/** deploy, rollback, restart, stop, start, scale, plan, pause, resume, cancel, follow: everything that opens or steers a deployment. */
export function verbs(program: Command, run: Run): void {
  const verb = (name: string, summary: string): Command =>
    program
      .command(name)
      .summary(summary)
      .description(summary)
      .option('-e, --environment <name>', 'environment', 'production')
      .option('--plan', 'only show the steps this would take')
      .option('--detach', 'do not wait for its end')

  verb('deploy [app] [folder]', 'deploy an image, a folder, or what was pushed')
    .option('--image <name:tag>', 'an image the engine has or can pull; its tag is resolved once, to a digest')
    .option('--ref <ref>', 'branch, tag or commit that was pushed; default: the branch of the environment')
    .option('--config <file>', 'with --image: a lockgate.yaml to run it with')
    .option('--rebuild', 'build although the commit was built before')
    .action(
      run(async (terminal, [first, second], options: VerbOptions & { image?: string; ref?: string; config?: string; rebuild?: boolean }) => {
        const { app, folder } = deployArguments(first, second)
        if (folder !== null) return deployFolder(terminal, { app, folder, options })
        return open(terminal, { app, options, body: await deployBody(options) })
      }),
    )
  program
    .command('plan [app]')
    .summary('show the steps a deploy would take')
    .description('show the steps a deploy would take (the same as deploy --plan)')
    .option('-e, --environment <name>', 'environment', 'production')
    .action(run(async (terminal, [app], options: VerbOptions) => open(terminal, { app, options: { ...options, plan: true }, body: { verb: 'deploy' } })))
  program
    .command('promote <from> <to> [app]')
    .summary('move what one environment runs to another, without a build')
    .description('move what one environment runs to another: the same image, with the configuration of the other')
    .option('--detach', 'do not wait for its end')
    .action(
      run(async (terminal, [from = '', to = '', app], options: { detach?: boolean }) => {
        const source = await placeNamed(app, from)
        const params = await placeNamed(app, to)
        const answer = await terminal.client.call(endpoints.promote, { params, body: { from: source.environment } })
        if (answer.builtIn.length > 0)
          terminal.say(
            `The image was built with the values that ${from} has of ${answer.builtIn.join(', ')} (build.secrets), and keeps them: push the commit to ${to} to build it there.`,
          )
        return followed(terminal, answer, options.detach ?? false)
      }),
    )
  verb('rollback [app]', 'go back: image and configuration together')
    .option('--to <release>', 'a release such as r12; default: the last good one')
    .option('--force', 'also where the release forbids that anything goes back from it')
    .action(
      run((terminal, [app], options: VerbOptions & { to?: string; force?: boolean }) =>
        open(terminal, {
          app,
          options,
          body: { verb: 'rollback', force: options.force ?? false, ...(options.to === undefined ? {} : { to: releaseNumber(options.to) }) },
        }),
      ),
    )
  verb('restart [app]', 'replace every instance by a fresh one').action(
    run((terminal, [app], options: VerbOptions) => open(terminal, { app, options, body: { verb: 'restart' } })),
  )
  verb('stop [app]', 'stop every instance, after its requests are done').action(
    run((terminal, [app], options: VerbOptions) => open(terminal, { app, options, body: { verb: 'stop' } })),
  )
  verb('start [app]', 'start what was stopped').action(
    run((terminal, [app], options: VerbOptions) => open(terminal, { app, options, body: { verb: 'start' } })),
  )
  verb('scale [app] [count]', 'change how many instances run').action(
    run((terminal, [first, second], options: VerbOptions) => open(terminal, { ...scaleArguments(first, second), options })),
  )

  program
    .command('cancel <id>')
    .summary('end a deployment, a build or a one-off')
    .description('end a deployment (it goes back to what was there), a build or a one-off')
    .action(run((terminal, [id = '']) => cancel(terminal, id)))
  program
    .command('pause <deployment>')
    .summary('let a deployment stand at its next safe point')
    .description('let a running deployment stand at its next safe point: what serves then serves on; "resume" goes on, "cancel" goes back')
    .action(
      run(async (terminal, [id = '']) => {
        const answer = await terminal.client.call(endpoints.pauseDeployment, { params: { id } })
        terminal.show(answer, () => (answer.status === 'paused' ? `deployment ${id} is paused` : `deployment ${id} stands still at its next safe point`))
      }),
    )
  program
    .command('resume <deployment>')
    .summary('let a paused deployment go on')
    .description('let a paused deployment go on; where a canary asked, that is the answer')
    .option('--detach', 'do not wait for its end')
    .action(
      run(async (terminal, [id = ''], options: { detach?: boolean }) => {
        const answer = await terminal.client.call(endpoints.resumeDeployment, { params: { id } })
        if (options.detach) return terminal.show(answer, () => `deployment ${id} goes on`)
        return followDeployment(terminal, id)
      }),
    )
  program
    .command('follow <id>')
    .summary('watch a deployment or build to its end')
    .description('watch a deployment or build to its end; the exit status says how it ended')
    .action(run((terminal, [id = '']) => (id.startsWith('b-') ? followBuild(terminal, id) : followDeployment(terminal, id))))
}

interface Opening {
  readonly app: string | undefined
  readonly options: VerbOptions
  readonly body: Body
}

async function open(terminal: Terminal, opening: Opening): Promise<void> {
  const { options } = opening
  const params = await placeNamed(opening.app, options.environment)
  const answer = await terminal.client.call(endpoints.openDeployment, { params, body: { ...opening.body, plan: options.plan ?? false } })
  if (answer.plan) return terminal.show(answer.plan, planText)
  for (const note of answer.notes) terminal.say(note)
  if (answer.undoes.length > 0) terminal.say(`configuration goes back with it: ${answer.undoes.join(', ')}`)
  return followed(terminal, answer, options.detach ?? false)
}

/** Watches what was opened to its end, or says how to. */
function followed(terminal: Terminal, answer: Pick<AnswerOf<typeof endpoints.promote>, 'deployment' | 'build'>, detach: boolean): Promise<void> | void {
  const id = answer.deployment?.id ?? answer.build?.id ?? ''
  if (detach) return terminal.show(answer, () => `${id} opened; "lockgate follow ${id}" watches it`)
  return answer.build ? followBuild(terminal, id) : followDeployment(terminal, id)
}

interface Folder {
  readonly app: string | undefined
  readonly folder: string
  readonly options: VerbOptions & { readonly image?: string; readonly ref?: string; readonly rebuild?: boolean }
}

/** `deploy shop`, `deploy .`, `deploy shop ../shop`: what holds a slash or is dots is a folder, as no app's name does. */
function deployArguments(first: string | undefined, second: string | undefined): { readonly app: string | undefined; readonly folder: string | null } {
  if (second !== undefined) return { app: first, folder: second }
  return first !== undefined && (/[/\\]/.test(first) || /^\.+$/.test(first)) ? { app: undefined, folder: first } : { app: first, folder: null }
}

async function deployFolder(terminal: Terminal, { app, folder, options }: Folder): Promise<void> {
  if (options.image !== undefined || options.ref !== undefined || options.plan)
    throw new CliError('A folder is deployed as it is: --image, --ref and --plan do not go with it.', EXIT.usage)
  const params = await placeNamed(app, options.environment)
  const packed = await packFolder(folder)
  terminal.say(`sending ${packed.files} ${packed.files === 1 ? 'file' : 'files'}, ${sizeOf(packed.bytes)}`)
  const answer = await terminal.client.call(endpoints.deployFolder, { params, stream: packed.stream })
  return followed(terminal, answer, options.detach ?? false)
}

function subjectOf(step: z.output<typeof PlannedStep>): string {
  if (step.percent !== null) return `${step.percent} %`
  return step.instance === null ? '' : shortInstance(step.instance)
}

function planText(plan: readonly z.output<typeof PlannedStep>[]): string {
  if (plan.length === 0) return 'Nothing to do: everything is as wished.'
  const rows = plan.map((step) => [String(step.batch), stepWord(step.kind), subjectOf(step), step.arm ?? ''])
  return `${table(['batch', 'step', 'instance', 'arm'], rows)}\nSteps of one batch run side by side where they are about different instances. Nothing was changed.`
}

async function deployBody(options: { readonly image?: string; readonly ref?: string; readonly config?: string; readonly rebuild?: boolean }): Promise<Body> {
  if (options.image !== undefined && options.ref !== undefined) throw new CliError('--image and --ref exclude each other.', EXIT.usage)
  if (options.config !== undefined && options.image === undefined)
    throw new CliError('--config goes with --image; a pushed commit brings its own lockgate.yaml.', EXIT.usage)
  const manifest = options.config === undefined ? undefined : await readFile(options.config, 'utf8')
  return {
    verb: 'deploy',
    rebuild: options.rebuild ?? false,
    ...(options.image === undefined ? {} : { image: options.image }),
    ...(options.ref === undefined ? {} : { ref: options.ref }),
    ...(manifest === undefined ? {} : { manifest }),
  }
}

function releaseNumber(text: string): number {
  const number = Number(/^r?(\d{1,9})$/.exec(text)?.[1])
  if (!Number.isInteger(number)) throw new CliError(`"${text}" is not a release such as r12.`, EXIT.usage)
  return number
}

/** `scale shop 3`, or `scale 3` inside a repository. */
function scaleArguments(first: string | undefined, second: string | undefined): { readonly app: string | undefined; readonly body: Body } {
  const text = second ?? first ?? ''
  if (!/^\d{1,4}$/.test(text)) throw new CliError('How many instances? For example: lockgate scale shop 3', EXIT.usage)
  return { app: second === undefined ? undefined : first, body: { verb: 'scale', count: Number(text) } }
}

async function cancel(terminal: Terminal, id: string): Promise<void> {
  const params = { id }
  if (id.startsWith('b-')) return terminal.show(await terminal.client.call(endpoints.cancelBuild, { params }), (build) => `build ${build.id} ${build.status}`)
  if (id.startsWith('o-'))
    return terminal.show(
      await terminal.client.call(endpoints.cancelOneOff, { params }),
      (oneOff) => `one-off ${oneOff.id} ${oneOff.status === 'running' ? 'is being ended' : oneOff.status}`,
    )
  const deployment = await terminal.client.call(endpoints.cancelDeployment, { params })
  return terminal.show(deployment, () =>
    deployment.finishedAt === null
      ? `deployment ${id} goes back to what was there; "lockgate follow ${id}" watches it`
      : `deployment ${id} ${deployment.status}`,
  )
}

import type { Command } from 'commander'
import type { z } from 'zod'
import { endpoints } from '../../api/contract/endpoints.ts'
import { strategyText } from '../../api/contract/flow.ts'
import { CliError, EXIT } from '../exit.ts'
import type { Run } from '../output.ts'
import { appNamed, placeNamed } from '../place.ts'

type Body = z.input<(typeof endpoints)['changeEnvironment']['body']>
type Words = NonNullable<Body['strategy']>

interface SetOptions {
  readonly branch?: string
  readonly tags?: string
  readonly verify?: string
  readonly trust?: string
  readonly strategy?: string
  readonly surge?: string
  readonly hold?: string
  readonly steps?: string
  readonly soak?: string
  readonly least?: string
  readonly sticky?: string
}

/** Environments: what is deployed to them, and how. */
export function environments(program: Command, run: Run): void {
  const environment = program.command('environment').description('add and change environments')
  environment
    .command('set <app> <name>')
    .summary('change what is deployed to an environment, and how')
    .description('change what is deployed to an environment, how, and what is checked before a promotion to it')
    .option('--branch <branch>', 'branch, or pattern of branches such as "release/*"')
    .option('--tags <pattern>', 'tags that are deployed there, such as "v*"; "" for none')
    .option('--verify <check>', 'before a promotion: off, test (run its tests in it) or rebuild (build again and compare)')
    .option('--trust <level>', 'protected, ordinary or untrusted: caches and artifacts of builds are apart for each; for an administrator')
    .option('--strategy <kind>', 'auto, rolling, blue-green, recreate or canary, whatever lockgate.yaml says; manifest: as lockgate.yaml says')
    .option('--surge <count>', 'rolling: how many new instances start before as many old ones stop')
    .option('--hold <time>', 'recreate: how long a request may wait in the edge, such as 30s')
    .option('--steps <percents>', 'canary: the shares, such as 5,25,50')
    .option('--soak <time>', 'canary: how long each share is watched, such as 1m')
    .option('--least <requests>', 'canary: how many requests a verdict needs')
    .option('--sticky <by>', 'canary: none, cookie, or header:NAME')
    .action(
      run(async (terminal, [name, environmentName = ''], options: SetOptions) => {
        const answer = await terminal.client.call(endpoints.changeEnvironment, { params: await placeNamed(name, environmentName), body: changeOf(options) })
        terminal.show(
          answer,
          (one) =>
            `${one.app} ${one.name}: branch ${one.branch}, tags ${one.tags ?? 'none'}, before a promotion: ${one.verify}, ${one.trust}, strategy: ${strategyText(one.strategy)}`,
        )
      }),
    )
  environment
    .command('add <app> <name>')
    .description('add an environment; a push to its branch is deployed there')
    .option('--branch <branch>', 'branch or pattern that is deployed there; default: the name of the environment')
    .option('--tags <pattern>', 'tags that are deployed there, such as "v*"')
    .action(
      run(async (terminal, [name, added = ''], options: { branch?: string; tags?: string }) => {
        const answer = await terminal.client.call(endpoints.addEnvironment, {
          params: { app: await appNamed(name) },
          body: { name: added, branch: options.branch ?? added, ...(options.tags === undefined ? {} : { tags: options.tags }) },
        })
        terminal.show(
          answer,
          () =>
            `${answer.app} ${answer.name} is there, at ${answer.urls[0] ?? ''}\nWhat is pushed to ${answer.branch}${options.tags ? `, or as a tag ${options.tags},` : ''} is deployed to it.`,
        )
      }),
    )
}

function changeOf(options: SetOptions): Body {
  const { branch, tags, verify, trust } = options
  const strategy = wordsOf(options)
  return {
    ...(branch === undefined ? {} : { branch }),
    ...(tags === undefined ? {} : { tags: tags === '' ? null : tags }),
    ...(verify === undefined ? {} : { verify: verify as 'off' }),
    ...(trust === undefined ? {} : { trust: trust as 'protected' }),
    ...(strategy === undefined ? {} : { strategy }),
  }
}

/** The words of a strategy; undefined: nothing was said of it. What does not fit together is for the server to refuse. */
function wordsOf(options: SetOptions): Words | null | undefined {
  const said = {
    ...(options.surge === undefined ? {} : { surge: number(options.surge) }),
    ...(options.hold === undefined ? {} : { hold: options.hold }),
    ...(options.steps === undefined ? {} : { steps: options.steps.split(',').map((part) => number(part.trim().replace(/ *%$/, ''))) }),
    ...(options.soak === undefined ? {} : { soak: options.soak }),
    ...(options.least === undefined ? {} : { least: number(options.least) }),
    ...(options.sticky === undefined ? {} : { sticky: stickyWord(options.sticky) }),
  }
  if (options.strategy === 'manifest') return null
  if (options.strategy !== undefined) return { kind: options.strategy as 'auto', ...said }
  if (Object.keys(said).length === 0) return undefined
  throw new CliError('Say which strategy this belongs to: --strategy rolling, recreate or canary.', EXIT.usage)
}

function stickyWord(text: string): NonNullable<Words['sticky']> {
  return text.startsWith('header:') ? { header: text.slice('header:'.length) } : (text as 'cookie')
}

function number(text: string): number {
  const value = Number(text)
  if (!/^\d{1,7}$/.test(text)) throw new CliError(`"${text}" is not a number.`, EXIT.usage)
  return value
}

import { z } from 'zod'
import { duration } from '../../lib/duration.ts'
import { size } from '../../lib/size.ts'
import { DEFAULT_RUN_SPEC, type RunSpec } from '../artifact/artifact.ts'
import { ConfigKey } from '../config-revision/config-revision.ts'
import { STRATEGY_KINDS, StrategyWords, strategyOf } from '../environment/strategy.ts'
import { HostName } from '../route/route.ts'

/**
 * Finds lines that were written for a shell. There a word begins or ends with a quote, an operator stands alone or ends a word, or the line has a
 * redirection, a variable, a command in backquotes, or an assignment in front.
 */
const SHELL_WORD = /(^|\s)(["']\S*|\S*["']|&&?|\|\|?|\S*;|\d?[<>]\S*)(?=\s|$)|\$[A-Za-z_{(]|`|^\s*[A-Za-z_]\w*=/

/** A list of arguments; a string is split at spaces and never sees a shell. */
const Command = z.union([
  z
    .string()
    .min(1)
    .max(4000)
    .refine((line) => line.trim() !== '', 'a command has a program')
    .refine((line) => !SHELL_WORD.test(line), 'no shell reads this: write a list, as in [node, -e, "a b"], or [sh, -c, "a && b"] for one that does')
    .transform((line) => line.split(/\s+/).filter((word) => word !== '')),
  z
    .array(z.string().max(4000))
    .min(1)
    .max(200)
    .refine(([program]) => program !== '', 'a command has a program'),
])

/** Commands one after another, each a program and its arguments. */
const Commands = z.array(Command).max(50)

const ImageName = z
  .string()
  .max(300)
  .regex(
    /^([a-z0-9][a-z0-9.-]*(:\d{1,5})?\/)?[a-z0-9]+([._-]+[a-z0-9]+)*(\/[a-z0-9]+([._-]+[a-z0-9]+)*)*(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@sha256:[0-9a-f]{64})?$/,
    'an image is named as in docker pull: debian:12, registry.example.com/team/image@sha256:…',
  )

/** A path in which `*` stands for any part of a name. */
const FilePattern = z
  .string()
  .max(200)
  .regex(/^[A-Za-z0-9._*-]+(\/[A-Za-z0-9._*-]+)*$/, 'a path inside the repository, in which * stands for a part of a name')
  .refine((path) => !path.split('/').includes('..'), 'a path inside the repository')

const Health = z
  .strictObject({
    kind: z
      .enum(['default', 'http', 'tcp', 'command'])
      .optional()
      .describe(
        'default: TCP on the port, and an HTTP answer to / must not be 5xx; http: `path` must answer 2xx or 3xx; tcp: the port accepts; command: exits 0 inside the instance',
      ),
    path: z
      .string()
      .max(500)
      .regex(/^\/[\x21-\x7e]*$/, 'a path starts with / and has no blanks; what is not ASCII is written as in %C3%BC')
      .optional()
      .describe('Asked by http probes; naming it makes the kind http'),
    host: HostName.refine((host) => !host.startsWith('*'), 'one hostname, without a wildcard')
      .optional()
      .describe('Host that http probes send; default: the first hostname that was added to the app, else the generated one'),
    command: Command.optional().describe('Run inside the instance; naming it makes the kind command'),
    interval: duration('50ms', '1h').optional().describe('Between two probes of a running instance; default 2s'),
    timeout: duration('50ms', '10m').optional().describe('For one probe; default 2s'),
    start_deadline: duration('300ms', '1h').optional().describe('How long a new instance may take to become ready; default 60s'),
    rise: z.int().min(1).max(20).optional().describe('Successes in a row before it is ready; default 2'),
    fall: z.int().min(1).max(20).optional().describe('Failures in a row before it is not; default 3'),
  })
  .superRefine(({ kind, path, host, command }, context) => {
    const refuse = (word: string, message: string): void => context.addIssue({ code: 'custom', path: [word], message })
    const asked = kind ?? (command ? 'command' : path ? 'http' : 'default')
    if (path !== undefined && asked !== 'http') refuse('path', `this belongs to the kind http, and this one is ${asked}`)
    if (command !== undefined && asked !== 'command') refuse('command', `this belongs to the kind command, and this one is ${asked}`)
    if (host !== undefined && (asked === 'tcp' || asked === 'command')) refuse('host', `no request is made by the kind ${asked}`)
    if (kind === 'command' && command === undefined) refuse('kind', 'the kind command needs the command')
  })
  .describe('How readiness is asked, from outside the instance')

const PathInside = z
  .string()
  .max(200)
  .regex(/^[A-Za-z0-9._-]+(\/[A-Za-z0-9._-]+)*$/, 'a path inside the repository')
  .refine((path) => !path.split('/').includes('..'), 'a path inside the repository')

/** The file `lockgate.yaml` in a repository. Unknown keys are errors. */
export const Manifest = z
  .strictObject({
    build: z
      .strictObject({
        kind: z
          .enum(['auto', 'dockerfile', 'makefile', 'node', 'python', 'go', 'php', 'static', 'steps'])
          .default('auto')
          .describe('auto: decided by the files of the repository; steps: nothing but what stands here'),
        builder: ImageName.optional().describe(
          'Image the build runs in, instead of the one of the language; a base of ours is lockgate/NAME or lockgate/NAME:VERSION',
        ),
        runner: ImageName.optional().describe('Image the app runs on; its files go to /app'),
        install: Commands.optional().describe('Instead of how packages would be installed'),
        steps: Commands.optional().describe('Instead of how the app would be built, after the packages are there'),
        test: Command.optional().describe('Must pass, or there is no release'),
        junit: z
          .union([FilePattern.transform((one) => [one]), z.array(FilePattern).max(20)])
          .optional()
          .describe('Where tests leave JUnit XML; default: junit.xml, test-results/*.xml and reports/*.xml'),
        output: PathInside.optional().describe('Only this folder becomes the app; default: the checkout as the build left it'),
        timeout: duration('1s', '24h').optional().describe('Ends a build that hangs; default 15m'),
        memory: size('64MB', '1000GB').optional().describe('Default 1GB'),
        cpus: z.number().min(0.1).max(64).optional().describe('Cores; default 1'),
        processes: z.int().min(16).max(32_768).optional().describe('Processes and threads at a time; default 512'),
        disk: size('64MB', '1000GB').optional().describe('Files of the checkout and everything the build writes; default 4GB'),
        network: z.enum(['default', 'none']).optional().describe('default: the internet, but no private network; none: nothing at all'),
        secrets: z
          .array(ConfigKey)
          .max(50)
          .optional()
          .describe('Keys of the configuration that the build gets: as variables, in a Dockerfile by RUN --mount=type=secret,id=KEY'),
        dockerfile: PathInside.optional().describe('A Dockerfile of another name than Dockerfile; naming one makes the kind dockerfile'),
        target: z
          .string()
          .regex(/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/, 'the name of a stage')
          .optional()
          .describe('Dockerfile: the stage that is built; default: the last'),
        args: z
          .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, 'the name of an ARG'), z.string().max(4000))
          .optional()
          .describe('Dockerfile: values of its ARGs; they stand in the history of the image'),
        publish: PathInside.optional().describe('Static files: the folder that is served; PHP: the folder with index.php'),
      })
      .optional()
      .describe('How the repository becomes an image'),
    verify: Command.optional().describe('Run in the finished image before a promotion, where the environment asks for `--verify test`'),
    processes: z
      .strictObject({ web: z.strictObject({ command: Command.optional().describe('Instead of what the build chose') }) })
      .optional()
      .describe('What runs; `web` gets the requests'),
    port: z.int().min(1).max(65_535).optional().describe('Where the app listens; default: the single EXPOSE of its image, else 8080. Also given as PORT'),
    protocol: z.enum(['http', 'h2c']).optional().describe('What the app speaks on its port; h2c is HTTP/2 without TLS (gRPC)'),
    health: Health.optional(),
    limits: z
      .strictObject({
        cpus: z.number().min(0.05).max(64).optional().describe('Cores; default 1'),
        memory: size('16MB', '1000GB').optional().describe('Default 512MB'),
        processes: z.int().min(8).max(32_768).optional().describe('Processes and threads; default 256'),
        disk: size('64MB', '1000GB').optional().describe('Files that an instance writes into itself; one that has more is replaced. Default 10GB'),
      })
      .optional()
      .describe('What one instance may use'),
    stop: z
      .strictObject({
        signal: z
          .enum(['SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGWINCH'])
          .optional()
          .describe('Default: the STOPSIGNAL of the image, else SIGTERM'),
        grace: duration('0s', '1h').optional().describe('Before it is killed; default 10s'),
      })
      .optional()
      .describe('How an instance is stopped, after its requests are done'),
    drain: z
      .strictObject({
        deadline: duration('0s', '24h').optional().describe('How long requests in flight may take when their instance is to stop; default 30s'),
        at_deadline: z
          .enum(['wait', 'cut', 'abort'])
          .optional()
          .describe(
            'wait: as long as they take, 24h at most; cut: end them and record how many (default); abort: put the instance back and fail the deployment',
          ),
      })
      .optional()
      .describe('What happens to requests in flight'),
    request_timeout: duration('100ms', '24h').optional().describe('How long a response may stay silent at the edge; default 1h'),
    release_command: Command.optional().describe('Run once, in the new release, before traffic moves: a migration'),
    strategy: z
      .union([z.enum(STRATEGY_KINDS).transform((kind) => strategyOf({ kind })), StrategyWords])
      .optional()
      .describe('How a deployment moves; default: blue-green for one instance, rolling for more'),
    watch: z
      .strictObject({
        for: duration('0s', '1h').optional().describe('How long; default 2m, 0s: not at all'),
        rollback: z.boolean().optional().describe('Whether it goes back by itself; default true, false: it is only told'),
      })
      .optional()
      .describe('After a deployment the new release is compared with the one before by what the edge counts: failed answers, time to the first byte'),
    rollback: z
      .enum(['allowed', 'forbidden'])
      .optional()
      .describe('forbidden: nothing goes back from this release by itself, and a person has to insist; for migrations that cannot be undone'),
  })
  .describe('lockgate.yaml: how an app is built and run')
export type Manifest = z.output<typeof Manifest>

export const EMPTY_MANIFEST: Manifest = {}

/** The run spec a manifest asks for, over what the build or image said (`port`: its single EXPOSE). */
export function runSpecOf(
  manifest: Manifest,
  made: { readonly command: readonly string[] | null; readonly port: number | null; readonly releaseCommand?: readonly string[] | null },
): RunSpec {
  const base = DEFAULT_RUN_SPEC
  const health = manifest.health ?? {}
  return {
    command: manifest.processes?.web.command ?? made.command,
    port: manifest.port ?? made.port ?? base.port,
    protocol: manifest.protocol ?? base.protocol,
    health: {
      kind: health.kind ?? (health.command ? 'command' : health.path ? 'http' : base.health.kind),
      path: health.path ?? base.health.path,
      ...(health.host === undefined ? {} : { host: health.host }),
      command: health.command ?? base.health.command,
      intervalMs: health.interval ?? base.health.intervalMs,
      timeoutMs: health.timeout ?? base.health.timeoutMs,
      startDeadlineMs: health.start_deadline ?? base.health.startDeadlineMs,
      rise: health.rise ?? base.health.rise,
      fall: health.fall ?? base.health.fall,
    },
    limits: {
      cpus: manifest.limits?.cpus ?? base.limits.cpus,
      memoryMb: manifest.limits?.memory ?? base.limits.memoryMb,
      processes: manifest.limits?.processes ?? base.limits.processes,
      ...(manifest.limits?.disk === undefined ? {} : { diskMb: manifest.limits.disk }),
    },
    stopSignal: manifest.stop?.signal ?? base.stopSignal,
    stopGraceMs: manifest.stop?.grace ?? base.stopGraceMs,
    drain: { deadlineMs: manifest.drain?.deadline ?? base.drain.deadlineMs, atDeadline: manifest.drain?.at_deadline ?? base.drain.atDeadline },
    releaseCommand: manifest.release_command ?? made.releaseCommand ?? base.releaseCommand,
    requestTimeoutMs: manifest.request_timeout ?? base.requestTimeoutMs,
    rollback: manifest.rollback ?? 'allowed',
  }
}

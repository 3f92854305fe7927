// What the API shows of each noun. Times are milliseconds since 1970.
import { z } from 'zod'
import { ACTOR_KINDS, ROLES } from '../../core/actor/actor.ts'
import { ConfigKey } from '../../core/config-revision/config-revision.ts'
import { STEP_KINDS } from '../../core/deployment/step.ts'
import { TRUST_LEVELS } from '../../core/trust/trust.ts'
import { RegistryLevel } from './inputs.ts'

const Time = z.int().describe('Milliseconds since 1970')
const Id = z.string().max(64)

/** Who did something. Two are the same when kind and id are equal; tokens may have had the same name at different times. */
export const Actor = z.object({
  kind: z.enum(ACTOR_KINDS),
  id: z.string().nullable().describe('Of a token its id; null: an old record that knows the name only'),
  name: z.string(),
})

export const Wish = z.object({ releaseId: Id.nullable(), set: z.int(), count: z.int(), running: z.boolean() })
export const Sticky = z.union([z.object({ by: z.enum(['request', 'cookie']) }), z.object({ by: z.literal('header'), name: z.string() })])
export const Strategy = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('rolling'), surge: z.int() }),
  z.object({ kind: z.literal('blue-green') }),
  z.object({ kind: z.literal('recreate'), holdMs: z.int() }),
  z.object({ kind: z.literal('canary'), steps: z.array(z.int()), soakMs: z.int(), leastRequests: z.int(), sticky: Sticky }),
])

export const Sample = z.object({ requests: z.int(), failures: z.int(), answerMs: z.number().describe('Mean time to the first byte') })
export const Watch = z.object({
  deploymentId: Id,
  secondsLeft: z.int(),
  sample: Sample,
  before: z.object({ release: z.string(), sample: Sample }).nullable().describe('What served before'),
  worse: z.string().nullable().describe('It answers worse, and why; null: nothing was found'),
})

export const Project = z.object({ id: Id, name: z.string(), createdAt: Time })

export const InstanceStatus = z.object({
  name: z.string(),
  release: z.string().describe('r42'),
  ordinal: z.int(),
  state: z.enum(['missing', 'created', 'starting', 'ready', 'not ready', 'restarting', 'crash looping', 'exited', 'draining']),
  detail: z.string().describe('Last probe answer, exit code, or why it waits'),
  address: z.string(),
  traffic: z.enum(['none', 'in', 'out']),
  restarts: z.int(),
  startedAt: Time.nullable(),
})

export const Environment = z.object({
  id: Id,
  app: z.string(),
  name: z.string(),
  state: z.enum(['not deployed', 'running', 'deploying', 'paused', 'degraded', 'crash looping', 'stopped', 'stopping', 'removing']),
  release: z.string().nullable().describe('r42'),
  origin: z.string().nullable().describe('What the release was made of'),
  count: z.int(),
  ready: z.int(),
  strategy: Strategy,
  share: z.int().describe('Percent of the requests that go to a canary'),
  watch: Watch.nullable().describe('The release that is watched after its deployment'),
  branch: z.string().describe('Name or pattern'),
  tags: z.string().nullable().describe('Pattern'),
  trust: z.enum(TRUST_LEVELS).describe('protected: gets only what was built for a protected environment, or was promoted'),
  verify: z.enum(['off', 'test', 'rebuild']),
  urls: z.array(z.string()),
  domains: z.array(z.object({ host: z.string(), path: z.string(), kind: z.enum(['generated', 'own']) })),
  deploymentId: Id.nullable().describe('The active deployment'),
  blocked: z.string().nullable(),
  pinned: z.array(z.string()).describe('Releases a rollback left behind'),
  instances: z.array(InstanceStatus),
})

export const App = z.object({
  id: Id,
  name: z.string(),
  project: z.string(),
  createdAt: Time,
  removing: z.boolean(),
  gitPath: z.string(),
  root: z.string().describe('Folder of its repository it lives in'),
  watch: z.array(z.string()).describe('Patterns of paths whose change matters'),
  environments: z.array(Environment),
})

export const Step = z.object({
  id: Id,
  seq: z.int(),
  kind: z.enum(STEP_KINDS),
  instance: z.string().nullable(),
  status: z.enum(['intended', 'done', 'failed', 'dropped']),
  waiting: z.string().nullable(),
  seconds: z.number(),
  numbers: z.object({
    inFlightAtStart: z.int().optional(),
    inFlight: z.int().optional(),
    cut: z.int().optional(),
    left: z.int().optional(),
    generation: z.int().optional(),
    exitCode: z.int().optional(),
    probe: z.string().optional(),
    held: z.int().optional().describe('Requests that waited in the edge'),
    percent: z.int().optional(),
    requests: z.int().optional(),
    failures: z.int().optional(),
    answerMs: z.number().optional(),
    oldRequests: z.int().optional(),
    oldFailures: z.int().optional(),
    oldAnswerMs: z.number().optional(),
  }),
})

export const FailureReport = z.object({
  instance: z.string(),
  lastProbe: z.string().nullable(),
  exitCode: z.int().nullable(),
  oomKilled: z.boolean(),
  hint: z.string().nullable(),
  logLines: z.array(z.string()),
})

export const Deployment = z.object({
  id: Id,
  app: z.string(),
  environment: z.string(),
  number: z.int(),
  verb: z.enum(['deploy', 'rollback', 'restart', 'stop', 'start', 'scale']),
  status: z.enum(['queued', 'running', 'paused', 'reverting', 'succeeded', 'failed', 'cancelled', 'superseded']),
  cause: z.string(),
  message: z.string(),
  blocked: z.string().nullable(),
  containedIn: z.string().nullable().describe('Of a superseded deployment: the newer one that brings the same; follow that one'),
  strategy: Strategy,
  wish: Wish,
  release: z.string().nullable(),
  origin: z.string().nullable(),
  fingerprint: z.string(),
  report: FailureReport.nullable(),
  buildId: Id.nullable(),
  actor: Actor,
  createdAt: Time,
  startedAt: Time.nullable(),
  finishedAt: Time.nullable(),
})

export const DeploymentLive = z.object({
  deployment: Deployment,
  steps: z.array(Step),
  planned: z.array(z.string()).describe('Steps still to be done, in order'),
})

export const PlannedStep = z.object({
  batch: z.int(),
  kind: Step.shape.kind,
  percent: z.int().nullable(),
  instance: z.string().nullable(),
  arm: z.string().nullable(),
})

export const Release = z.object({
  id: Id,
  name: z.string(),
  number: z.int(),
  origin: z.string(),
  digest: z.string(),
  commit: z.string().nullable(),
  configRevision: z.int(),
  actor: Actor,
  createdAt: Time,
  liveAt: Time.nullable().describe('When a deployment of it first succeeded'),
  provenAt: Time.nullable().describe('When its observation window had passed'),
  fault: z.string().nullable().describe('What was found against it while it was watched'),
  current: z.boolean(),
  pinned: z.boolean(),
  imageRemoved: z.boolean(),
})

export const BuildStep = z.object({
  number: z.int(),
  name: z.string(),
  state: z.enum(['running', 'done', 'failed']),
  seconds: z.number(),
  cached: z.boolean().describe('Nothing was run: an earlier build left the same'),
})

export const TestSummary = z.object({
  total: z.int(),
  failed: z.int(),
  skipped: z.int(),
  seconds: z.number(),
  failures: z.array(z.object({ name: z.string(), message: z.string() })),
})

export const Build = z.object({
  id: Id,
  app: z.string(),
  environment: z.string(),
  commit: z.string(),
  ref: z.string(),
  status: z.enum(['queued', 'running', 'succeeded', 'failed', 'cancelled', 'superseded']),
  cause: z.string(),
  message: z.string(),
  purpose: z.enum(['deploy', 'test', 'compare']),
  trust: z.enum(TRUST_LEVELS).describe('Level it is built at'),
  reused: Id.nullable().describe('The build whose artifact it took: the same files by the same recipe'),
  tests: TestSummary.nullable(),
  ahead: z.int().describe('Builds that begin before it, while it is queued'),
  steps: z.array(BuildStep),
  deploymentId: Id.nullable(),
  actor: Actor,
  createdAt: Time,
  startedAt: Time.nullable(),
  finishedAt: Time.nullable(),
})

export const LogRecord = z.object({ seq: z.int(), at: Time, source: z.string().nullable(), stream: z.enum(['stdout', 'stderr']), text: z.string() })

export const CodeSource = z.object({
  url: z.string(),
  credential: z.enum(['none', 'token', 'key']),
  username: z.string().nullable(),
  submodules: z.array(z.string()).describe('Repositories that the credential is for as well'),
  hostKeys: z.array(z.string()).describe('Fingerprints that are pinned'),
  everySeconds: z.number(),
  checkedAt: Time.nullable(),
  nextAt: Time,
  problem: z.string().nullable().describe('Why the last look failed'),
  failures: z.int(),
})

export const Registry = z.object({ host: z.string(), username: z.string(), trust: RegistryLevel, actor: Actor, createdAt: Time })

export const Detected = z.object({
  kind: z.string(),
  why: z.array(z.string()),
  builder: z.string().nullable(),
  runner: z.string().nullable(),
  steps: z.array(z.object({ name: z.string(), phase: z.enum(['install', 'build', 'test']) })),
  command: z.array(z.string()).nullable(),
})

export const ConfigEntry = z.object({
  key: ConfigKey,
  kind: z.enum(['plain', 'secret']),
  value: z.string().nullable().describe('null for a secret: it is never shown'),
  secretVersion: z.int().nullable(),
})
export const ConfigRevision = z.object({ number: z.int(), note: z.string(), actor: Actor, createdAt: Time, keys: z.array(z.string()) })
export const Config = z.object({ revision: z.int().nullable(), entries: z.array(ConfigEntry) })

export const OneOff = z.object({
  id: Id,
  command: z.array(z.string()),
  status: z.enum(['queued', 'running', 'succeeded', 'failed', 'cancelled']),
  exitCode: z.int().nullable(),
  message: z.string(),
  actor: Actor,
  createdAt: Time,
  finishedAt: Time.nullable(),
})

export const Role = z.enum(ROLES)
export const Token = z.object({
  id: Id,
  name: z.string(),
  role: Role,
  project: z.string().nullable(),
  expiresAt: Time.nullable(),
  revokedAt: Time.nullable(),
  createdAt: Time,
  lastUsedAt: Time.nullable(),
})

export const Event = z.object({
  seq: z.int(),
  at: Time,
  kind: z.string(),
  actor: Actor,
  app: z.string().nullable(),
  environment: z.string().nullable(),
  subject: z.string().nullable(),
  data: z.record(z.string(), z.unknown()),
  hash: z.string(),
})

export const DiskItem = z.object({
  kind: z.enum(['artifact', 'leftover', 'base', 'cache', 'repository', 'logs', 'database', 'others']),
  name: z.string().describe('`others`: the sum of what is not of the project of the token'),
  bytes: z.int(),
  mayGo: z.string().nullable().describe('Why nobody misses it; null: it stays'),
})
export const Disk = z.object({ items: z.array(DiskItem), freeBytes: z.int(), leastFreeBytes: z.int().describe('Nothing is built below it') })

export const Check = z.object({ area: z.string(), name: z.string(), ok: z.boolean(), sentence: z.string() })

/** RFC 9457. */
export const Problem = z.object({ type: z.string(), title: z.string(), status: z.int(), detail: z.string(), code: z.string() }).catchall(z.unknown())

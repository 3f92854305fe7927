import { type Header, pack } from 'tar-stream'
import type { PlannedStep } from '../../../core/build/build-plan.ts'
import type { BuildStep } from '../../../core/build/build-step.ts'

/** Where the box has the checkout, and leaves the image. */
export const CONTEXT_FOLDER = '/work/context'
export const IMAGE_FILE = '/work/image.tar'
const SECRETS = '/tmp/secrets'
/** Where the certificates of the host are in a RUN. */
export const RUN_CA_PATH = '/run/lockgate-ca.crt'

/**
 * Builds a Dockerfile inside its box: the text for `sh -c`, its arguments are those of `buildah build`. What came on standard input
 * is a tar of secrets after a line with its length: they are in memory only. Without its run root, which was in memory, buildah
 * takes what a killed build left for gone; `rm` lets go of it.
 */
export const IMAGE_PROGRAM = `mkdir -p /tmp/home/.config /tmp/xdg ${SECRETS} /work/tmp
read -r length && head -c "$length" | tar -x -C ${SECRETS} -f - || exit 1
buildah rm -a >/dev/null 2>&1
buildah build "$@" </dev/null || exit
echo "-----> exporting the image"
buildah push -q localhost/app docker-archive:${IMAGE_FILE}:localhost/app </dev/null
`

/** What the program reads: secrets by their ids. */
export async function secretsInput(secrets: Readonly<Record<string, string>>): Promise<Uint8Array> {
  const tar = pack()
  for (const [id, value] of Object.entries(secrets)) tar.entry({ name: id, mode: 0o400 } as Header, value)
  tar.finalize()
  const chunks: Uint8Array[] = []
  for await (const chunk of tar) chunks.push(chunk as Uint8Array)
  const bytes = Buffer.concat(chunks)
  return Buffer.concat([Buffer.from(`${bytes.length}\n`), bytes])
}

export interface ImageOptions {
  readonly file: string
  readonly context: string
  readonly target: string | null
  readonly args: Readonly<Record<string, string>>
  readonly labels: Readonly<Record<string, string>>
  /** Variables of every RUN that are not in the image. */
  readonly env: Readonly<Record<string, string>>
  /** Ids of the secrets there are. */
  readonly secrets: readonly string[]
  /** A file of the box that every RUN sees at RUN_CA_PATH. */
  readonly caPath: string | null
  /** What a digest stands for among the images of the box, by how the Dockerfile writes it. */
  readonly pinned: Readonly<Record<string, string>>
}

/** Arguments of `buildah build`. */
export function imageArguments(options: ImageOptions): string[] {
  const pairs = (flag: string, values: Readonly<Record<string, string>>): string[] =>
    Object.entries(values).flatMap(([name, value]) => [flag, `${name}=${value}`])
  const key = options.secrets.find((id) => id.toLowerCase() === 'ssh')
  return [
    '--layers',
    // Docker's own format: the other one has no HEALTHCHECK, and another id than the engine will give it.
    '--format=docker',
    '--pull=never',
    ...(options.target === null ? [] : [`--target=${options.target}`]),
    ...pairs('--build-arg', options.args),
    ...pairs('--label', options.labels),
    ...pairs('--env', options.env),
    ...Object.keys(options.env).flatMap((name) => ['--unsetenv', name]),
    ...options.secrets.flatMap((id) => ['--secret', `id=${id},src=${SECRETS}/${id}`]),
    ...(key === undefined ? [] : ['--ssh', `default=${SECRETS}/${key}`]),
    ...(options.caPath === null ? [] : ['--volume', `${options.caPath}:${RUN_CA_PATH}:ro`]),
    ...Object.entries(options.pinned).flatMap(([name, image]) => ['--build-context', `${name}=docker-image://${image}`]),
    '--tag=localhost/app',
    '--file',
    `${CONTEXT_FOLDER}/${options.file}`,
    `${CONTEXT_FOLDER}/${options.context}`,
  ]
}

const STEP = /^(?:\[\d+\/\d+\] )?STEP \d+\/\d+: (.*)$/
/** What it says for itself, not for the app. */
const NOISE = /^(Getting image source signatures|Copying (blob|config) sha256:|Writing manifest to image destination|--> [0-9a-f]{12,64}$|[0-9a-f]{64}$)/
/** A page of its own internals, in the middle of a sentence. */
const REQUEST = / for copier\.request\{.*\}(?=: )/
const FAILED = /^Error: (?:building at STEP "(?<step>.*?)": )?(?<reason>.*)$/

/** Reads what buildah says: instructions as steps, an error as a reason. A RUN that prints the same only changes how it looks. */
export class ImageReader {
  readonly #told: { readonly line: (text: string) => void; readonly step: (step: BuildStep) => void }
  readonly #ours: RegExp
  #current: { readonly number: number; readonly name: string; readonly startedAt: number; cached: boolean } | null = null
  #isRunning = false
  #reason: string | null = null

  /** `ours`: names of variables that are set for every RUN; nobody wrote these instructions. */
  constructor(ours: readonly string[], told: { readonly line: (text: string) => void; readonly step: (step: BuildStep) => void }) {
    this.#told = told
    this.#ours = new RegExp(`^(ENV "(${ours.join('|') || '-'})"="|LABEL "lockgate\\.)`)
  }

  get step(): Pick<PlannedStep, 'name' | 'phase'> | null {
    return this.#current === null ? null : { name: this.#current.name, phase: 'build' }
  }

  /** What it failed of, where that was not a program that ended with a status. */
  get reason(): string | null {
    return this.#reason
  }

  push(text: string): void {
    const [, instruction] = STEP.exec(text) ?? []
    if (instruction !== undefined) return this.#begin(instruction)
    if (text.startsWith('--> Using cache') && this.#current) {
      this.#current.cached = true
      return
    }
    if (NOISE.test(text)) return
    const line = text.replace(REQUEST, '')
    const failed = FAILED.exec(line)
    if (failed) this.#reason = /exit status \d+$/.test(line) ? null : (failed.groups?.['reason'] ?? null)
    else if (this.#reason !== null && line.startsWith('\t* ')) this.#reason = line.slice(3)
    this.#told.line(line)
  }

  /** Nothing comes any more. */
  close(isDone = false): void {
    if (this.#isRunning) this.#end(isDone ? 'done' : 'failed')
  }

  #begin(instruction: string): void {
    if (this.#ours.test(instruction)) return
    this.close(true)
    this.#current = { number: (this.#current?.number ?? 0) + 1, name: instruction.slice(0, 200), startedAt: performance.now(), cached: false }
    this.#told.line(`-----> ${instruction}`)
    this.#tell('running')
  }

  #end(state: 'done' | 'failed'): void {
    if (this.#current?.cached) this.#told.line('       nothing changed: an earlier build left the same')
    this.#tell(state)
  }

  #tell(state: BuildStep['state']): void {
    if (!this.#current) return
    this.#isRunning = state === 'running'
    const { number, name, startedAt, cached } = this.#current
    this.#told.step({ number, name, state, ms: state === 'running' ? 0 : Math.round(performance.now() - startedAt), cached })
  }
}

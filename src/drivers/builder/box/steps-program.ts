import type { PlannedStep } from '../../../core/build/build-plan.ts'
import type { BuildStep } from '../../../core/build/build-step.ts'
import { sha256 } from '../../../lib/hash.ts'

/** What kept outputs of steps may take of an app's cache; those not used for longest go first. */
const KEPT_MB = 1024

/**
 * Runs the steps of a build inside its box, one after another: the text for `sh -c`. Its arguments are a mark, and for
 * each step how many words, inputs and outputs follow, the key of what it keeps, and these. Nothing of an app is in the
 * text. It tells of its steps on lines that begin with the mark, a random word that nothing else in the build prints, and at its
 * end which of the paths that are looked for are there.
 */
const PROGRAM = `set -f
mark=$1 looked=$2 kept=/cache/kept number=0 chain=
shift 2
# What of the paths that are asked for is there: to ask the engine for each takes longer than most tests.
left() {
  IFS=:
  for path in $looked; do [ ! -e "$path" ] || echo "$mark left $path"; done
  unset IFS
  echo "$mark looked"
}
# pick PROGRAM SKIP COUNT WORD...: becomes the program with COUNT of the words after the first SKIP as its arguments.
pick() {
  program=$1 count=$3
  shift $((3 + $2))
  left=$# taken=0
  while [ $taken -lt $count ]; do set -- "$@" "$1"; shift; taken=$((taken + 1)); done
  shift $((left - count))
  exec $program "$@"
}
keep() {
  mkdir -p $kept && (pick "tar -cf $file.part" $((words + inputs)) $outputs "$@") && mv $file.part $file && touch $file
  rm -f $file.part
  while [ $(du -sm $kept | cut -f1) -gt ${KEPT_MB} ]; do
    oldest=$(ls -tr $kept | head -n 1)
    [ -n "$oldest" ] && rm -f "$kept/$oldest" || break
  done
}
while [ $# -gt 0 ]; do
  number=$((number + 1)) words=$1 inputs=$2 outputs=$3 key=$4 file= end=done
  shift 4
  echo "$mark running $number"
  # The files that earlier steps read count too: what they made is read by this one.
  [ $outputs -gt 0 ] && chain=$( (echo $chain $key; (pick sha256sum $words $inputs "$@") </dev/null) | sha256sum) && chain=\${chain%% *} && file=$kept/$chain.tar
  if [ -f "$file" ] && (pick 'rm -rf' $((words + inputs)) $outputs "$@") && tar -xf $file; then
    touch $file
    end=cached
  else
    (pick '' 0 $words "$@")
    status=$?
    [ $status -eq 0 ] || { echo "$mark failed $number"; left; exit $status; }
    [ -z "$file" ] || keep "$@" 2>/dev/null
  fi
  shift $((words + inputs + outputs))
  echo "$mark $end $number"
done
left
`

/** What the program is told beside the steps. */
export interface StepsAsked {
  readonly mark: string
  /** The image they run in: what was made in another is not brought back. */
  readonly builder: string
  /** What else takes part in every step, such as variables, values and settings of the host: in every key. */
  readonly surroundings: string
  /** Paths of the checkout, without ":", that it says at its end whether they are there. */
  readonly looked: readonly string[]
}

/** The program and its arguments for steps. */
export function stepsCommand({ mark, builder, surroundings, looked }: StepsAsked, steps: readonly PlannedStep[]): string[] {
  const before: string[] = [sha256(JSON.stringify([builder, surroundings]))]
  let canKeep = true
  const words = steps.flatMap((step) => {
    // What a step that is not kept makes can take part in every step after it.
    canKeep &&= step.keeps !== undefined
    return stepArguments(before, canKeep ? step : { ...step, keeps: { inputs: [], outputs: [] } })
  })
  return ['sh', '-c', PROGRAM, 'lockgate-steps', mark, looked.join(':'), ...words]
}

/** The arguments of one step. Its key holds those of the steps before it, so that a tool they fetched in another version counts. */
function stepArguments(before: string[], { run, env, keeps }: PlannedStep): string[] {
  const settings = Object.entries(env ?? {}).map(([name, value]) => `${name}=${value}`)
  const words = settings.length === 0 ? run : ['env', ...settings, ...run]
  const { inputs, outputs } = keeps ?? { inputs: [], outputs: [] }
  before.push(JSON.stringify([words, inputs, outputs]))
  const key = sha256(before.join('\n'))
  return [String(words.length), String(inputs.length), String(outputs.length), key, ...words, ...inputs, ...outputs]
}

/** Reads the output of the program: lines of the build, and between them what becomes of its steps. */
export class StepsReader {
  readonly #mark: string
  readonly #steps: readonly PlannedStep[]
  readonly #told: { readonly line: (text: string) => void; readonly step: (step: BuildStep) => void }
  readonly #left = new Set<string>()
  #hasLooked = false
  #isRunning = false
  #current: { readonly number: number; readonly startedAt: number } | null = null

  constructor(mark: string, steps: readonly PlannedStep[], told: { readonly line: (text: string) => void; readonly step: (step: BuildStep) => void }) {
    this.#mark = mark
    this.#steps = steps
    this.#told = told
  }

  /** The step that runs, or that was the last. */
  get step(): PlannedStep | null {
    return this.#current === null ? null : (this.#steps[this.#current.number - 1] ?? null)
  }

  /** Of the paths that were looked for those that are there; null: the program did not come so far. */
  get left(): ReadonlySet<string> | null {
    return this.#hasLooked ? this.#left : null
  }

  push(text: string): void {
    // What a step printed without a line end stands before the mark.
    const at = text.indexOf(`${this.#mark} `)
    const before = at < 0 ? text : text.slice(0, at)
    if (at !== 0) this.#told.line(before)
    if (at < 0) return
    const [, state = '', number = ''] = /^(\S*) ?(.*)$/s.exec(text.slice(at + this.#mark.length + 1)) ?? []
    if (state === 'left') this.#left.add(number)
    else if (state === 'looked') this.#hasLooked = true
    else if (state === 'running') this.#begin(Number(number))
    else this.#end(state === 'failed' ? 'failed' : 'done', state === 'cached')
  }

  /** Nothing comes any more: a step without an end was ended from outside. */
  close(): void {
    if (this.#isRunning) this.#end('failed', false)
  }

  #begin(number: number): void {
    this.#current = { number, startedAt: performance.now() }
    this.#told.line(`-----> ${this.step?.name}`)
    this.#tell('running', false)
  }

  #end(state: 'done' | 'failed', cached: boolean): void {
    if (cached) this.#told.line('       nothing changed: what it made was kept')
    this.#tell(state, cached)
  }

  #tell(state: BuildStep['state'], cached: boolean): void {
    this.#isRunning = state === 'running'
    const { number, startedAt } = this.#current ?? { number: 0, startedAt: 0 }
    const ms = state === 'running' ? 0 : Math.round(performance.now() - startedAt)
    this.#told.step({ number, name: this.step?.name ?? '', state, ms, cached })
  }
}

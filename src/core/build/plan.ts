import { BuildFailure } from './build-failure.ts'
import type { BuildPlan, Checkout, Language } from './build-plan.ts'
import { dockerfile } from './languages/dockerfile.ts'
import { go } from './languages/go.ts'
import { makefile } from './languages/makefile.ts'
import { generatedSite, node } from './languages/node.ts'
import { php } from './languages/php.ts'
import { python } from './languages/python.ts'
import { staticFiles } from './languages/static.ts'
import { steps } from './languages/steps.ts'
import { refuseMisread } from './left-out.ts'

/**
 * Every way of building there is. The first that understands a checkout builds it: programs before sites, because the
 * pages of a Python or PHP app are often made by a tool of Node.
 */
const LANGUAGES: readonly Language[] = [steps, dockerfile, makefile, node, python, go, php, generatedSite, staticFiles]

/** Files whose text `planBuild` wants. */
export function filesToRead(files: readonly string[]): string[] {
  return [...new Set([...LANGUAGES.flatMap((language) => language.reads(files)), 'Procfile', 'Dockerfile'])].filter((name) => files.includes(name))
}

/**
 * Decides how a checkout is built: what `lockgate.yaml` says, else the first language that understands it. Throws
 * BuildFailure `not_understood` that names what was looked for.
 */
export function planBuild(checkout: Checkout): BuildPlan {
  refuseMisread(checkout)
  const said = checkout.manifest.build?.kind ?? 'auto'
  // Naming a Dockerfile says the kind: where it is not there, nothing else was meant.
  const kind = said === 'auto' && checkout.manifest.build?.dockerfile !== undefined ? 'dockerfile' : said
  const reasons: string[] = []
  const near: string[] = []
  for (const language of LANGUAGES.filter((one) => (kind === 'auto' ? one.kind !== 'steps' : one.kind === kind))) {
    const plan = language.plan(checkout)
    if (!('not' in plan)) refuseUnrunTests(checkout, plan)
    if (!('not' in plan)) return said === 'auto' ? plan : { ...plan, why: [`lockgate.yaml says ${kind}`, ...plan.why] }
    reasons.push(plan.not)
    if (plan.isNear) near.push(kind === 'auto' ? `This looks like ${language.called}, but ${plan.not}` : plan.not)
  }
  if (kind !== 'auto') throw new BuildFailure('not_understood', `lockgate.yaml says build kind ${kind}, but ${near[0] ?? reasons[0]}`)
  // What the person meant: the other reasons would hide it.
  if (near[0] !== undefined) throw new BuildFailure('not_understood', near[0])
  const deeper = telltaleInFolder(checkout.files)
  if (deeper !== null)
    throw new BuildFailure(
      'not_understood',
      `Nothing in the root says how it is built, but ${deeper.folder} has ${deeper.file}. Does the app live there? "lockgate app set NAME --root FOLDER" says so.`,
    )
  throw new BuildFailure('not_understood', `Nothing here says how it is built: ${[...new Set(reasons)].join('; ')}.`)
}

/** Tests that must pass, and that nobody would run. */
function refuseUnrunTests({ manifest }: Checkout, plan: BuildPlan): void {
  if (plan.kind === 'dockerfile' && manifest.build?.test !== undefined)
    throw new BuildFailure('not_understood', 'lockgate.yaml has build.test, which is not run where a Dockerfile is built: write it as RUN into the Dockerfile')
}

const TELLTALES = new Set([
  'Dockerfile',
  'Makefile',
  'package.json',
  'requirements.txt',
  'uv.lock',
  'poetry.lock',
  'go.mod',
  'composer.json',
  'index.php',
  'index.html',
])

/** The file nearest to the root by which a folder could be built. */
function telltaleInFolder(files: readonly string[]): { readonly folder: string; readonly file: string } | null {
  const depth = (path: string): number => path.split('/').length
  const found = files
    .filter((path) => TELLTALES.has(path.split('/').at(-1) ?? '') && !path.includes('node_modules/'))
    .toSorted((a, b) => depth(a) - depth(b))[0]
  if (found === undefined) return null
  const cut = found.lastIndexOf('/')
  return cut === -1 ? null : { folder: found.slice(0, cut), file: found.slice(cut + 1) }
}

/** What was chosen and why, on one line: `node: found package.json; runs node server.js`. */
export function describePlan(plan: BuildPlan): string {
  return `${plan.kind}: ${plan.why.join('; ')}`
}

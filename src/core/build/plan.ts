import { BuildFailure } from './build-failure.ts'
import type { BuildPlan, Checkout, Language } from './build-plan.ts'
import { dockerfile } from './languages/dockerfile.ts'
import { makefile } from './languages/makefile.ts'
import { node } from './languages/node.ts'
import { staticFiles } from './languages/static.ts'

/** Every way of building there is. The first that understands a checkout builds it. */
const LANGUAGES: readonly Language[] = [dockerfile, makefile, node, staticFiles]

/** Files whose text `planBuild` wants. */
export function filesToRead(files: readonly string[]): string[] {
  return [...new Set(LANGUAGES.flatMap((language) => language.reads(files)))].filter((name) => files.includes(name))
}

/**
 * Decides how a checkout is built: what `lockgate.yaml` says, else the first language that understands it. Throws
 * BuildFailure `not_understood` that names what was looked for.
 */
export function planBuild(checkout: Checkout): BuildPlan {
  const kind = checkout.manifest.build?.kind ?? 'auto'
  const said = LANGUAGES.find((language) => language.kind === kind)
  if (said) return planAsSaid(said, checkout)
  const reasons: string[] = []
  const near: string[] = []
  for (const language of LANGUAGES) {
    const plan = language.plan(checkout)
    if (!('not' in plan)) return plan
    reasons.push(plan.not)
    if (plan.isNear) near.push(`This looks like ${language.called}, but ${plan.not}`)
  }
  // What the person meant: the other reasons would hide it.
  if (near[0] !== undefined) throw new BuildFailure('not_understood', near[0])
  throw new BuildFailure('not_understood', `Nothing here says how it is built: ${reasons.join('; ')}.`)
}

function planAsSaid(language: Language, checkout: Checkout): BuildPlan {
  const plan = language.plan(checkout)
  if ('not' in plan) throw new BuildFailure('not_understood', `lockgate.yaml says build kind ${language.kind}, but ${plan.not}`)
  return { ...plan, why: [`lockgate.yaml says ${language.kind}`, ...plan.why] }
}

/** What was chosen and why, on one line: `node: found package.json; runs node server.js`. */
export function describePlan(plan: BuildPlan): string {
  return `${plan.kind}: ${plan.why.join('; ')}`
}

import { assemble, notThis } from '../assemble.ts'
import type { BuildPlan, Checkout, Language, NotThis } from '../build-plan.ts'

/** Files that are served as they are: nothing is run. */
export const staticFiles: Language = {
  kind: 'static',
  called: 'a site of static files',
  reads: () => [],
  plan,
}

function plan(checkout: Checkout): BuildPlan | NotThis {
  const { files, manifest } = checkout
  const folder = manifest.build?.publish ?? ''
  const index = folder === '' ? 'index.html' : `${folder}/index.html`
  if (!files.includes(index) && manifest.build?.steps === undefined) return notThis(`there is no ${index}`)
  return assemble(checkout, {
    kind: 'static',
    why: [files.includes(index) ? `found ${index}` : 'the steps make it', `serves ${folder === '' ? 'the files of the repository' : `the folder ${folder}`}`],
    builder: null,
    taken: { kind: 'folder', path: folder },
    runner: { base: 'static', version: null },
    command: null,
  })
}

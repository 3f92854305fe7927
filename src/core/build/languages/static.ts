import type { BuildPlan, Checkout, Language, NotThis } from '../build-plan.ts'

/** Files that are served as they are: nothing is run. */
export const staticFiles: Language = {
  kind: 'static',
  called: 'a site of static files',
  reads: () => [],
  plan,
}

function plan({ files, manifest }: Checkout): BuildPlan | NotThis {
  const folder = manifest.build?.publish ?? ''
  const index = folder === '' ? 'index.html' : `${folder}/index.html`
  if (!files.includes(index)) return { not: `there is no ${index}`, isNear: false }
  return {
    kind: 'static',
    why: [`found ${index}`, `serves ${folder === '' ? 'the files of the repository' : `the folder ${folder}`}`],
    builder: null,
    steps: [],
    taken: { kind: 'folder', path: folder },
    runner: { base: 'static', version: null },
    command: null,
    env: {},
    releaseCommand: null,
  }
}

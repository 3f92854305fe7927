import { assemble, nearly, saidCommand } from '../assemble.ts'
import type { BuildPlan, Checkout, Language, NotThis } from '../build-plan.ts'

/** Nothing but what `lockgate.yaml` says: for every language that is not known here. */
export const steps: Language = { kind: 'steps', called: 'an app with steps of its own', reads: () => ['Procfile'], plan }

function plan(checkout: Checkout): BuildPlan | NotThis {
  const said = saidCommand(checkout)
  if (said === null) return nearly('nothing says what runs: set processes.web.command')
  return assemble(checkout, {
    kind: 'steps',
    why: [`runs ${said.command.join(' ')}`],
    builder: null,
    taken: { kind: 'folder', path: '' },
    runner: { base: 'base', version: null },
    command: said.command,
  })
}

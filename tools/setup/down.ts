import { engineAnswers } from './engine.ts'
import { keeperOf } from './keeper.ts'
import { findOurs, installationOf, processesOf, stopContainers } from './ours.ts'
import { main, placesOf, SetupError, say } from './places.ts'
import { readArguments } from './settings.ts'

await main(async () => {
  const places = placesOf(readArguments(process.argv.slice(2)).home)
  const keeper = keeperOf(places)
  const installation = installationOf(places)
  // The server first, and for good: it would bring back what is stopped.
  if ((await keeper.pidOf('server')) === null) say('· the server was not running')
  await keeper.drop('server')
  if (installation !== null && (await engineAnswers())) {
    const { containers, running } = await findOurs(installation)
    await stopContainers(containers)
    say(`· stopped ${running.length} ${running.length === 1 ? 'instance' : 'instances'}`)
    const { running: left } = await findOurs(installation)
    if (left.length > 0)
      throw new SetupError(
        `${left.length} containers with the label of ${installation} still run: docker ps --filter label=lockgate.installation=${installation}`,
      )
  }
  await keeper.stop()
  const left = await processesOf(places)
  if (left.length > 0)
    throw new SetupError(`still running: ${left.map(({ pid, command }) => `${pid} (${command})`).join(', ')}. End them, and type bin/down again.`)
  say(`Lockgate is down. All data stays in ${places.data}; bin/up brings everything back.`)
})

import { engineAnswers } from './engine.ts'
import { keeperOf } from './keeper.ts'
import { findOurs, installationOf, stopContainers } from './ours.ts'
import { main, placesOf, say } from './places.ts'
import { readArguments } from './settings.ts'

await main(async () => {
  const places = placesOf(readArguments(process.argv.slice(2)).home)
  const keeper = keeperOf(places)
  const installation = installationOf(places)
  // The server first: it would bring back what is stopped.
  const server = await keeper.pidOf('server')
  if (server === null) say('· the server was not running')
  else process.kill(server, 'SIGSTOP')
  if (installation !== null && (await engineAnswers())) {
    const { containers } = await findOurs(installation)
    await stopContainers(containers)
    say(`· stopped ${containers.length} ${containers.length === 1 ? 'instance' : 'instances'}`)
  }
  if (server !== null) process.kill(server, 'SIGCONT')
  await keeper.stop()
  say(`Lockgate is down. All data stays in ${places.data}; bin/up brings everything back.`)
})

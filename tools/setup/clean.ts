import { lstatSync, readlinkSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline/promises'
import { removeFilter } from '../../src/drivers/runtime/docker/build-filter.ts'
import { removeVolumeFiles } from '../../src/drivers/runtime/docker/volumes.ts'
import { engineAnswers } from './engine.ts'
import { keeperOf } from './keeper.ts'
import { findOurs, installationOf, processesOf, removeOurs } from './ours.ts'
import { main, placesOf, ROOT, SetupError, say } from './places.ts'
import { readArguments } from './settings.ts'

await main(async () => {
  const sure = process.argv.includes('--yes')
  const places = placesOf(readArguments(process.argv.slice(2).filter((word) => word !== '--yes')).home)
  const installation = installationOf(places)
  const ours = installation !== null && (await engineAnswers()) ? await findOurs(installation) : null
  const folders = places.system ? [places.home, '/etc/lockgate'] : [places.home]
  say(`This removes the installation ${installation ?? '(never started)'}:`)
  if (ours)
    say(`  ${ours.containers.length} containers, ${ours.networks.length} networks, ${ours.volumes.length} volumes, ${ours.images.length} images with its label`)
  say(`  ${folders.join(' and ')}: database, keys, logs, git repositories`)
  if (!sure && !(await confirmed())) return say('Nothing was removed.')
  const keeper = keeperOf(places)
  // The server first, and for good: it would bring back what is removed. The engine may be ours, and goes last.
  await keeper.drop('server')
  if (installation !== null && (await engineAnswers())) {
    await removeOurs(await findOurs(installation))
    const left = await findOurs(installation)
    const counts = [left.containers.length, left.networks.length, left.volumes.length] as const
    if (counts.some((count) => count > 0))
      throw new SetupError(
        `${counts[0]} containers, ${counts[1]} networks and ${counts[2]} volumes of ${installation} could not be removed; type bin/clean again, or look: docker ps -a --filter label=lockgate.installation=${installation}`,
      )
  } else if (installation !== null)
    throw new SetupError('No Docker engine answers, so its containers and networks cannot be removed. Start it (bin/up does), and type bin/clean again.')
  if (installation !== null) await removeFilter(installation)
  await removeVolumeFiles(join(places.data, 'volumes'))
  await keeper.stop()
  const running = await processesOf(places)
  if (running.length > 0)
    throw new SetupError(`still running: ${running.map(({ pid, command }) => `${pid} (${command})`).join(', ')}. End them, and type bin/clean again.`)
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
  if (places.system) removeLink()
  say('Everything of it is gone. The Debian packages stay.')
})

async function confirmed(): Promise<boolean> {
  const prompt = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return (await prompt.question('Type "remove" to go on: ')).trim() === 'remove'
  } finally {
    prompt.close()
  }
}

function removeLink(): void {
  const link = '/usr/local/bin/lockgate'
  const present = lstatSync(link, { throwIfNoEntry: false })
  if (present?.isSymbolicLink() && readlinkSync(link) === join(ROOT, 'bin/lockgate')) rmSync(link)
}

import { lstatSync, readlinkSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline/promises'
import { removeFilter } from '../../src/drivers/runtime/docker/build-filter.ts'
import { removeVolumeFiles } from '../../src/drivers/runtime/docker/volumes.ts'
import { engineAnswers } from './engine.ts'
import { keeperOf } from './keeper.ts'
import { findOurs, installationOf, removeOurs } from './ours.ts'
import { main, placesOf, ROOT, say } from './places.ts'
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
  // The server first stands still, so that it brings nothing back; the engine may be ours, and goes last.
  const server = await keeper.pidOf('server')
  if (server !== null) process.kill(server, 'SIGSTOP')
  if (installation !== null && (await engineAnswers())) await removeOurs(await findOurs(installation))
  if (installation !== null) await removeFilter(installation)
  await removeVolumeFiles(join(places.data, 'volumes'))
  if (server !== null) process.kill(server, 'SIGCONT')
  await keeper.stop()
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

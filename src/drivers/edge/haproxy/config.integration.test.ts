import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { filesOf, goldenFolder, parseGolden } from '../../../../test/support/edge-golden.ts'
import { aFolder } from '../../../../test/support/store.ts'
import { run } from '../../../lib/run.ts'

for (const name of (await readdir(goldenFolder)).toSorted()) {
  const golden = parseGolden(await readFile(new URL(name, goldenFolder), 'utf8'))
  if (golden.output.startsWith('error: ')) continue

  test(`HAProxy accepts the configuration of ${name}`, async () => {
    const folder = await aFolder()
    await run('openssl', [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=shop.test'],
      ...['-keyout', join(folder, 'a.pem.key'), '-out', join(folder, 'a.pem')],
    ])
    const config = { ...golden.input.config, ...('certificates' in golden.input.config ? { certificates: join(folder, 'a.pem') } : {}) }
    for (const [path, text] of Object.entries(filesOf({ ...golden.input, config }, folder))) {
      await mkdir(dirname(path), { recursive: true })
      await writeFile(path, text)
    }

    const result = await run('haproxy', ['-c', '-f', join(folder, 'haproxy.cfg')], { anyStatus: true })

    expect(result.stderr + result.stdout).toContain('Configuration file is valid')
    expect(result.stderr).not.toContain('WARNING')
  })
}

import { readdir, readFile, writeFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { goldenFolder, outputOf, parseGolden } from '../../../../test/support/edge-golden.ts'

// `UPDATE=1` writes what comes out now; the difference is reviewed.
for (const name of (await readdir(goldenFolder)).toSorted()) {
  test(`the configuration of ${name} is as it stands in its file`, async () => {
    const text = await readFile(new URL(name, goldenFolder), 'utf8')
    const golden = parseGolden(text)

    const output = outputOf(golden.input)

    if (process.env['UPDATE'] === '1') await writeFile(new URL(name, goldenFolder), `${golden.inputText}\n----\n${output}`)
    else expect(output).toEqual(golden.output)
  })
}

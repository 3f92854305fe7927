import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { ERROR_SENTENCES } from './reference/error-sentences.ts'
import { thrownCodes } from './reference/errors.ts'
import { stale } from './reference.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

test('the pages of the reference are what the sources say (else: node tools/reference.ts)', async () => {
  expect(await stale()).toEqual([])
})

test('every code that is thrown has a sentence, and every sentence a code (tools/reference/error-sentences.ts)', async () => {
  expect(Object.keys(ERROR_SENTENCES).toSorted()).toEqual([...(await thrownCodes(ROOT)).keys()])
})

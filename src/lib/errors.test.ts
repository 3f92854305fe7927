import { expect, test } from 'vitest'
import { codeOf, hasCode, InvalidError, messageOf, RejectedError, UnavailableError } from './errors.ts'

test('an error keeps its code, its details and what caused it', () => {
  const cause = new Error('socket hang up')
  const error = new UnavailableError('edge.unreachable', 'The edge does not answer.', { cause, details: { tries: 3 } })

  expect(error).toMatchObject({ name: 'UnavailableError', code: 'edge.unreachable', message: 'The edge does not answer.', cause, details: { tries: 3 } })
})

test('only what did not answer is worth another try', () => {
  expect([new UnavailableError('a.b', ''), new RejectedError('a.b', ''), new InvalidError('a.b', '')].map((error) => error.retryable)).toEqual([
    true,
    false,
    false,
  ])
})

test('what we did not expect has a code too, and a sentence', () => {
  expect([codeOf(new TypeError('x')), codeOf('thrown text'), codeOf(null)]).toEqual(['internal', 'internal', 'internal'])
  expect([messageOf(new TypeError('x')), messageOf('thrown text'), messageOf(null)]).toEqual(['x', 'thrown text', 'null'])
})

test('system errors are known by their code', () => {
  const error = Object.assign(new Error('no such file'), { code: 'ENOENT' })
  expect([hasCode(error, 'ENOENT'), hasCode(error, 'EACCES'), hasCode(null, 'ENOENT'), hasCode('ENOENT', 'ENOENT')]).toEqual([true, false, false, false])
})

import { expect, test } from 'vitest'
import { DotEnvError, parseDotEnv } from './dotenv.ts'

const valuesOf = (text: string): Readonly<Record<string, string>> => parseDotEnv(Buffer.from(text)).values

test.each<[string, Record<string, string>]>([
  ['A=1', { A: '1' }],
  ['A=1\n\n   \n\t\n# x\n  # y\nB=2\n', { A: '1', B: '2' }],
  ['  INDENT=1\n\tTAB=2\nLAST=no newline', { INDENT: '1', TAB: '2', LAST: 'no newline' }],
  ['export A=1', { A: '1' }],
  ['A = 1 ', { A: '1' }],
  ['A=', { A: '' }],
  ['A= # nothing', { A: '' }],
  ['A=sec#ret\nB=secret#\nC=value # a comment\nD=https://x.test/a#frag', { A: 'sec#ret', B: 'secret#', C: 'value', D: 'https://x.test/a#frag' }],
  ['A="has # hash" # comment\nB=\'single $HOME # x\'', { A: 'has # hash', B: 'single $HOME # x' }],
  ['A="say \\"hi\\" now"', { A: 'say "hi" now' }],
  ['J="{\\"a\\":\\"b\\"}"\nK2=after', { J: '{"a":"b"}', K2: 'after' }],
  ["A=it's", { A: "it's" }],
  ['A="line1\\nline2"\nB=\'line1\\nline2\'', { A: 'line1\nline2', B: 'line1\\nline2' }],
  ['A="C:\\\\temp\\x"', { A: 'C:\\temp\\x' }],
  ['PEM="-----BEGIN KEY-----\nabc+/=\n-----END KEY-----"\nAFTER=still here', { PEM: '-----BEGIN KEY-----\nabc+/=\n-----END KEY-----', AFTER: 'still here' }],
  ['A=`back $X "q"`', { A: 'back $X "q"' }],
  ['A=pa$$word$1', { A: 'pa$$word$1' }],
  ['A=a=b=c', { A: 'a=b=c' }],
  ['A=1\r\nB="two"\r\nC=3\r\n', { A: '1', B: 'two', C: '3' }],
  ['\ufeffA=1\r\nB="two"', { A: '1', B: 'two' }],
  ['UNI=héllo 🎉', { UNI: 'héllo 🎉' }],
  ['', {}],
])('%j says %j', (text, values) => {
  expect(valuesOf(text)).toEqual(values)
})

test.each([
  ['A=1\nNOEQ', 'line 2: "NOEQ" is not KEY=VALUE'],
  ['YAMLISH: value', 'line 1: "YAMLISH: value" is not KEY=VALUE'],
  ['A=1\nB="never closed\nC=3\n', 'line 2: the value of B begins with ", and nothing ends it'],
  ["M='it's ok'\nN=after", 'line 1: the value of M ends with \', and "s ok\'" stands behind it'],
  ['A="1" 2', 'line 1: the value of A ends with ", and "2" stands behind it'],
  ['A="1"#2', 'line 1: the value of A ends with ", and "#2" stands behind it'],
  ['=1', 'line 1: "=1" is not KEY=VALUE'],
  ['1A=1', 'line 1: "1A=1" is not KEY=VALUE'],
  ['A=1\nB=\0', 'line 2: this is not text in UTF-8 or UTF-16'],
])('%j is refused with its line', (text, message) => {
  expect(() => valuesOf(text)).toThrow(new DotEnvError(message))
})

test('UTF-16 is read where its mark says so, and bytes that are no text are refused', () => {
  const utf16 = Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from('A=ü\r\nB=2\r\n', 'utf16le')])

  expect(parseDotEnv(utf16).values).toEqual({ A: 'ü', B: '2' })
  expect(() => parseDotEnv(Buffer.from('A=ü\n', 'utf16le'))).toThrow('is not text')
  expect(() => parseDotEnv(Buffer.from([0x41, 0x3d, 0xff]))).toThrow('line 1')
})

test('a key that stands there twice, and what is not expanded, is said', () => {
  expect(parseDotEnv(Buffer.from('A=1\nA=2\nB=$A-x\n'))).toEqual({
    values: { A: '2', B: '$A-x' },
    notes: ['line 2: A stands there again; this later value is taken', 'line 3: B has a "$", which is taken as it is: nothing is expanded'],
  })
})

import { expect, test } from 'vitest'
import { plainText } from './control-bytes.ts'

const ESC = '\u001b'

test.each([
  ['sets the title', `a${ESC}]0;pwned\u0007b`, 'ab'],
  ['sets the title, ended otherwise', `a${ESC}]0;pwned${ESC}\\b`, 'ab'],
  ['writes the clipboard', `a${ESC}]52;c;cm0gLXJmIC8=\u0007b`, 'ab'],
  ['hides a link', `${ESC}]8;;http://evil.example\u0007click${ESC}]8;;\u0007`, 'click'],
  ['moves the cursor', `a${ESC}[2J${ESC}[1;1Hb`, 'ab'],
  ['asks the terminal to answer', `a${ESC}[6n${ESC}[c${ESC}Zb`, 'ab'],
  ['hides the cursor and takes the other screen', `a${ESC}[?25l${ESC}[?1049hb`, 'ab'],
  ['resets the terminal', `a${ESC}cb`, 'ab'],
  ['overwrites its line', 'good\rbad', 'goodbad'],
  ['rings and steps back', 'a\u0007\bb', 'ab'],
  ['uses the one-byte forms', 'a\u009b2Jb\u009dc', 'a2Jbc'],
  ['turns the rest of its line round', 'a\u202eb\u202cc', 'abc'],
  ['isolates a part that is turned round', 'a\u2067b\u2066c\u2069\u2069', 'abc'],
  ['ends in the middle', `a${ESC}`, 'a'],
  ['ends in the middle of a title', `a${ESC}]0;half`, 'a'],
])('text that %s does nothing', (_what, text, plain) => {
  expect(plainText(text)).toBe(plain)
})

test('lines, tabs and every alphabet stay', () => {
  expect(plainText('a\tb\nc ü 漢字 שלום 🚀')).toBe('a\tb\nc ü 漢字 שלום 🚀')
})

test('colours stay where they are wanted, and nothing else does', () => {
  const text = `${ESC}[1;31mred${ESC}[0m${ESC}[2J`
  expect([plainText(text, true), plainText(text)]).toEqual([`${ESC}[1;31mred${ESC}[0m`, 'red'])
})

test('what is left holds no control byte, whatever came', () => {
  for (let code = 0; code < 256; code += 1) {
    const left = plainText(`x${String.fromCharCode(code)}y${ESC}${String.fromCharCode(code)}z`)
    const steering = [...left].filter(
      (character) => character !== '\t' && character !== '\n' && (character < ' ' || (character >= '\u007f' && character <= '\u009f')),
    )
    expect(steering, `byte ${code}`).toEqual([])
  }
})

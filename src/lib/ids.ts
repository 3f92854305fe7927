import { randomBytes } from 'node:crypto'

// No vowels and no look-alikes: an id never spells a word and survives being read aloud.
const ALPHABET = '23456789bcdfghjkmnpqrstvwxz'

/** `length` random characters, about 4.75 bits each. */
export function randomWord(length: number): string {
  let word = ''
  while (word.length < length) {
    for (const byte of randomBytes(length)) {
      // 243 = 9 * 27: bytes above are thrown away, so that every character is equally likely.
      if (byte < 243 && word.length < length) word += ALPHABET[byte % ALPHABET.length]
    }
  }
  return word
}

/** A new id such as `d-7kq2mzx4hw`: the prefix says what it names. */
export function newId(prefix: string): string {
  return `${prefix}-${randomWord(10)}`
}

/** A value as one line of JSON. Readers of lines also end one at U+2028 and U+2029, which JSON leaves as they are. */
export function jsonLine(value: unknown): string {
  return `${JSON.stringify(value).replace(/[\u2028\u2029]/g, (character) => `\\u${character.charCodeAt(0).toString(16)}`)}\n`
}

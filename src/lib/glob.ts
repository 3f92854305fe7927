/**
 * Whether a path or name matches a pattern: `*` is any text without "/", `**` any text, `?` one character; everything else
 * is itself. Names that start with a dot are names like any other. Takes time by the product of both lengths, whatever
 * stands in them: patterns and paths are written by strangers, and a regular expression could be made to run for years.
 */
export function matchesGlob(text: string, pattern: string): boolean {
  const characters = [...text]
  // What is left of the text, from each of its characters on, matches the parts looked at so far; the last one first.
  let rest: readonly boolean[] = [...characters.map(() => false), true]
  for (const part of (pattern.match(/\*\*\/?|[\s\S]/gu) ?? []).toReversed()) rest = before(part, characters, rest)
  return rest[0] === true
}

/** The same with one part more in front. */
function before(part: string, text: readonly string[], rest: readonly boolean[]): readonly boolean[] {
  const found = rest.map(() => false)
  // `**/`: some folders and the slash behind them, or none.
  let folders = false
  for (let at = text.length; at >= 0; at--) {
    const character = text[at]
    const next = rest[at + 1] === true
    if (character === '/' && next) folders = true
    if (part === '**/') found[at] = rest[at] === true || folders
    else if (part === '**') found[at] = rest[at] === true || found[at + 1] === true
    else if (part === '*') found[at] = rest[at] === true || (character !== '/' && found[at + 1] === true)
    else found[at] = next && (part === '?' ? character !== '/' : part === character)
  }
  return found
}

/** Whether a pattern stands for more than one text. */
export function isGlob(pattern: string): boolean {
  return /[*?]/.test(pattern)
}

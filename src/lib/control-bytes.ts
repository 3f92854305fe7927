// Terminal escapes in names and logs: a hostile line must not move the cursor, set a title or write the clipboard (D12).
// biome-ignore lint/suspicious/noControlCharactersInRegex: control bytes are what this file is about
const SEQUENCES = /\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|\u001b\[[0-?]*[ -/]*[@-~]|\u001b[ -/]*[0-~]?|[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g
// biome-ignore lint/suspicious/noControlCharactersInRegex: see above
const COLOUR = /^\u001b\[[0-9;:]*m$/

/** Text that is safe to write to a terminal: colours (SGR) stay when `colours`, everything else that steers it goes. */
export function plainText(text: string, colours = false): string {
  return text.replace(SEQUENCES, (match) => (colours && COLOUR.test(match) ? match : ''))
}

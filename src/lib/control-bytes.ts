// Terminal escapes in names and logs: a hostile line must not move the cursor, set a title, write the clipboard (D12), or read otherwise
// than it is: U+202A to U+202E and U+2066 to U+2069 turn the rest of a line round, so that a table shows another name than it holds.
const SEQUENCES =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control bytes are what this file is about
  /\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|\u001b\[[0-?]*[ -/]*[@-~]|\u001b[ -/]*[0-~]?|[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g
// biome-ignore lint/suspicious/noControlCharactersInRegex: see above
const COLOUR = /^\u001b\[[0-9;:]*m$/

/** Text that is safe to write to a terminal: colours (SGR) stay when `colours`, everything else that steers it goes. */
export function plainText(text: string, colours = false): string {
  return text.replace(SEQUENCES, (match) => (colours && COLOUR.test(match) ? match : ''))
}

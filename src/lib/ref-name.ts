/** What git allows in no part of a name: its own syntax, blanks and control bytes (git-check-ref-format(1)). */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control bytes are what git refuses
const FORBIDDEN = /[\u0000-\u0020\u007f~^:?*[\\]|\.\.|@\{|\/\/|(^|\/)\.|\.lock(\/|$)|^\/|[/.]$/
const LONGEST_BYTES = 1024

/** Whether git allows a full ref such as `refs/tags/@acme/web@1.4.0`; text that was not UTF-8 is none. */
export function isRefName(ref: string): boolean {
  return /^refs\/[^/]/.test(ref) && !FORBIDDEN.test(ref) && !ref.includes('\ufffd') && Buffer.byteLength(ref) <= LONGEST_BYTES
}

/** Whether it may be the name of a branch or a tag: `fix/#42`. A leading "-" would be read as an option. */
export function isShortRefName(name: string): boolean {
  return name !== '' && !name.startsWith('-') && isRefName(`refs/heads/${name}`)
}

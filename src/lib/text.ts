/** Text that was written in UTF-16 keeps its byte order mark when it is decoded: who reads it knows that other programs may not. */
export const UTF16_MARK = '\ufeff'

/** Bytes as text: UTF-8, its byte order mark taken away, or UTF-16 where its mark says so. What is no text has U+FFFD in it. */
export function decodeText(bytes: Uint8Array): string {
  const [first, second] = bytes
  const encoding = first === 0xff && second === 0xfe ? 'utf-16le' : first === 0xfe && second === 0xff ? 'utf-16be' : null
  return encoding === null ? new TextDecoder().decode(bytes) : `${UTF16_MARK}${new TextDecoder(encoding).decode(bytes)}`
}

/** The same without the mark, for what may be written either way. */
export function plainlyDecoded(text: string): string {
  return text.startsWith(UTF16_MARK) ? text.slice(1) : text
}

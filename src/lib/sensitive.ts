const MASK = '***'

/**
 * Replaces every known secret value in text: as it is, and as base64, hex, URL and JSON write it, and each line of a value
 * of several lines. Values shorter than 6 characters are left alone: masking them would tear ordinary words apart.
 * This is the net, not the control: not giving a secret is the control.
 */
export class Redactor {
  readonly #needles: readonly string[]

  /** Length of the longest form of a value that is looked for. */
  get longest(): number {
    return this.#needles[0]?.length ?? 0
  }

  constructor(values: Iterable<string>) {
    const needles = new Set<string>()
    for (const value of values) for (const form of formsOf(value)) if (form.length >= 6) needles.add(form)
    this.#needles = [...needles].sort((a, b) => b.length - a.length)
  }

  redact(text: string): string {
    let result = text
    for (const needle of this.#needles) if (result.includes(needle)) result = result.replaceAll(needle, MASK)
    return result
  }
}

/** A line of about this many bytes was cut by whoever read it: it goes on in the next. A cut keeps characters whole, up to 3 bytes. */
const CUT_BYTES = 16 * 1024 - 3

/**
 * Redacts the lines of one stream, also where a value was cut in two: the end of a cut line that may be the beginning of a
 * value comes with the next line.
 */
export class LineRedactor {
  readonly #redactor: Redactor
  #held = ''

  constructor(redactor: Redactor) {
    this.#redactor = redactor
  }

  /** What of the stream may be written now. `text`: one line, or a part of one that is longer than 16 KiB. */
  line(text: string): string {
    const all = this.#redactor.redact(this.#held + text)
    const holds = Buffer.byteLength(text) >= CUT_BYTES ? Math.min(this.#redactor.longest, all.length) : 0
    this.#held = all.slice(all.length - holds)
    return all.slice(0, all.length - holds)
  }

  /** Nothing more comes: what was held back, or null. */
  end(): string | null {
    const rest = this.#held
    this.#held = ''
    return rest === '' ? null : rest
  }
}

function formsOf(value: string): string[] {
  const bytes = Buffer.from(value)
  const lines = value.split(/\r?\n/)
  return [
    value,
    ...(lines.length > 1 ? lines : []),
    bytes.toString('base64'),
    bytes.toString('base64').replace(/=+$/, ''),
    bytes.toString('base64url'),
    bytes.toString('hex'),
    encodeURIComponent(value),
    JSON.stringify(value).slice(1, -1),
  ]
}

import { SaxesParser, type SaxesTagPlain } from 'saxes'
import type { TestFile, TestSummary } from './build.ts'

/** What is kept of the cases that failed. */
const MOST_FAILURES = 50
const MOST_NAME = 300
const MOST_MESSAGE = 2_000
/** No reporter nests deeper; a file that does is not one. */
const MOST_DEPTH = 64

/** Totals and the first failures of JUnit files; null where none of them holds a test. What is no JUnit is passed over. */
export function summarizeTests(files: readonly TestFile[]): TestSummary | null {
  const reading = new Reading()
  for (const { text } of files) read(text, reading)
  const { total, failed, skipped, failures } = reading
  return total === 0 ? null : { total, failed, skipped, seconds: Math.round(reading.seconds * 1000) / 1000, failures }
}

interface Case {
  readonly name: string
  readonly seconds: number
  end: 'passed' | 'failed' | 'skipped'
  message: string
}

/** The cases of one file, up to where it stops being well-formed; entities of its own are never resolved. */
function read(text: string, reading: Reading): void {
  reading.begin()
  const parser = new SaxesParser({ xmlns: false })
  parser.on('opentag', (tag) => reading.open(tag))
  parser.on('closetag', (tag) => reading.close(tag.name))
  parser.on('text', (said) => reading.text(said))
  parser.on('cdata', (said) => reading.text(said))
  parser.on('error', (error) => {
    throw error
  })
  try {
    parser.write(text).close()
  } catch {
    // A test run that was killed leaves half a file: what stands before is true.
  }
}

/** Counts cases and keeps only what is told of them: a file can hold hundreds of thousands. */
class Reading {
  readonly failures: { readonly name: string; readonly message: string }[] = []
  total = 0
  failed = 0
  skipped = 0
  seconds = 0
  #depth = 0
  #current: Case | null = null
  #isInFailure = false

  /** Another file; what the one before left open is no case. */
  begin(): void {
    this.#depth = 0
    this.#current = null
    this.#isInFailure = false
  }

  open({ name, attributes }: SaxesTagPlain): void {
    if (++this.#depth > MOST_DEPTH) throw new Error('too deep for a report of tests')
    if (name === 'testcase') this.#current = { name: nameOf(attributes), seconds: secondsOf(attributes['time']), end: 'passed', message: '' }
    if (this.#current === null) return
    if (name === 'skipped') this.#current.end = 'skipped'
    if (name !== 'failure' && name !== 'error') return
    this.#current.end = 'failed'
    this.#isInFailure = true
    this.#say(attributes['message'] ?? '')
  }

  close(name: string): void {
    this.#depth--
    if (name === 'failure' || name === 'error') this.#isInFailure = false
    if (name !== 'testcase' || this.#current === null) return
    const { end, message, seconds, name: called } = this.#current
    this.total++
    this.seconds += seconds
    if (end === 'skipped') this.skipped++
    if (end === 'failed' && ++this.failed <= MOST_FAILURES) this.failures.push({ name: called, message: message.trim() })
    this.#current = null
  }

  text(said: string): void {
    if (this.#isInFailure && said.trim() !== '') this.#say(said)
  }

  #say(said: string): void {
    if (this.#current === null || said === '' || this.#current.message.includes(said.trim())) return
    this.#current.message = `${this.#current.message}${this.#current.message === '' ? '' : '\n'}${said}`.slice(0, MOST_MESSAGE)
  }
}

function nameOf(attributes: Readonly<Record<string, string>>): string {
  const group = attributes['classname'] ?? ''
  const name = attributes['name'] ?? '(no name)'
  return (group === '' || name.startsWith(group) ? name : `${group} ${name}`).slice(0, MOST_NAME)
}

function secondsOf(time: string | undefined): number {
  const seconds = Number((time ?? '').replaceAll(',', ''))
  return Number.isFinite(seconds) && seconds > 0 ? Math.min(seconds, 1e7) : 0
}

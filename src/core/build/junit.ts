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
  const cases = files.flatMap(({ text }) => casesOf(text))
  if (cases.length === 0) return null
  const failed = cases.filter(({ end }) => end === 'failed')
  return {
    total: cases.length,
    failed: failed.length,
    skipped: cases.filter(({ end }) => end === 'skipped').length,
    seconds: Math.round(cases.reduce((sum, { seconds }) => sum + seconds, 0) * 1000) / 1000,
    failures: failed.slice(0, MOST_FAILURES).map(({ name, message }) => ({ name, message })),
  }
}

interface Case {
  readonly name: string
  readonly seconds: number
  end: 'passed' | 'failed' | 'skipped'
  message: string
}

/** The cases of one file, up to where it stops being well-formed; entities of its own are never resolved. */
function casesOf(text: string): Case[] {
  const reading = new Reading()
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
  return reading.cases
}

class Reading {
  readonly cases: Case[] = []
  #depth = 0
  #current: Case | null = null
  #isInFailure = false

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
    this.cases.push({ ...this.#current, message: this.#current.message.trim() })
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

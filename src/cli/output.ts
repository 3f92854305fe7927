import type { Client } from './client.ts'

/** What every command gets: the client, and how to say things. */
export interface Terminal {
  readonly client: Client
  readonly url: string
  readonly json: boolean
  readonly now: number
  /** A line for people on standard output; nothing with --json. */
  say(line: string): void
  /** The answer itself: JSON with --json, else what `text` makes of it. */
  show<T>(answer: T, text: (answer: T) => string): void
}

/** The terminal of one command; with `json` only `show` writes. */
export function openTerminal(client: Client, options: { readonly url: string; readonly json: boolean }): Terminal {
  const write = (line: string): void => void process.stdout.write(`${line}\n`)
  return {
    client,
    url: options.url,
    json: options.json,
    now: Date.now(),
    say: (line) => {
      if (!options.json) write(line)
    },
    show: (answer, text) => write(options.json ? JSON.stringify(answer, null, 2) : text(answer)),
  }
}

/** Makes a commander action of a command: arguments as a flat list, options as they are, errors to the exit status. */
export type Run = <O>(work: (terminal: Terminal, given: string[], options: O) => Promise<void> | void) => (...args: unknown[]) => Promise<void>

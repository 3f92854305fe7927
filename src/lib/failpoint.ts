/** Named in the environment of a server that a test starts; two words that nobody sets by accident. */
const ARMED = process.env['LOCKGATE_TEST_MODE'] === 'crash' ? process.env['LOCKGATE_FAILPOINT'] : undefined

/** Ends the process like `kill -9` when this point is the armed one. Off, it is one comparison. */
export function failpoint(name: string): void {
  if (ARMED !== undefined && ARMED === name) process.kill(process.pid, 'SIGKILL')
}

// The testbed's scripts start real clusters on this machine; they are given what a shell would have.
import { type RunResult, run } from '../../../src/lib/run.ts'

/** Calls a script of the testbed. Throws what `run` throws. */
export function testbed(script: string, args: readonly string[], timeoutMs = 180_000): Promise<RunResult> {
  const kept = ['HOME', 'PATH', 'TESTBED_HOME', 'GOPROXY', 'GOFLAGS', 'GONOSUMDB', 'SSL_CERT_FILE', 'HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY']
  const env = Object.fromEntries(kept.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name] as string]])))
  return run(script, args, { env, timeoutMs })
}

import { z } from 'zod'
import { hasCode, RejectedError, TimeoutError } from '../../../lib/errors.ts'
import type { EngineClient } from './client.ts'
import { frames } from './lines.ts'

const OUTPUT_BYTES = 64 * 1024

const Created = z.object({ Id: z.string() })
const State = z.object({ Running: z.boolean().default(false), ExitCode: z.number().nullish(), Pid: z.number().default(0) })

export interface ExecResult {
  readonly status: number
  readonly output: string
}

/**
 * Runs a command in a running container; at most 64 KiB of its output is kept. Throws TimeoutError
 * `runtime.exec_timed_out`, and then ends the command: a probe that hangs must not pile up.
 */
export async function execIn(
  client: EngineClient,
  id: string,
  options: { readonly command: readonly string[]; readonly timeoutMs: number },
): Promise<ExecResult> {
  const body = { AttachStdout: true, AttachStderr: true, Cmd: options.command }
  const { Id } = await client.json(Created, { method: 'POST', path: `/containers/${id}/exec`, body })
  const deadline = AbortSignal.timeout(options.timeoutMs)
  const output: Buffer[] = []
  let size = 0
  try {
    const stream = await client.stream({ method: 'POST', path: `/exec/${Id}/start`, body: { Detach: false, Tty: false }, signal: deadline })
    for await (const { bytes } of frames(stream)) {
      if (size < OUTPUT_BYTES) output.push(bytes.subarray(0, OUTPUT_BYTES - size))
      size += bytes.length
    }
  } catch (error) {
    if (!deadline.aborted) throw error
  }
  // A stream that is cut off ends as if all had been said.
  if (deadline.aborted) {
    await end(client, Id)
    throw new TimeoutError('runtime.exec_timed_out', `${options.command[0]} did not end within ${options.timeoutMs} ms`)
  }
  const state = await client.json(State, { path: `/exec/${Id}/json` })
  if (state.Running || typeof state.ExitCode !== 'number') throw new RejectedError('runtime.refused', `${options.command[0]} was not run to its end`)
  return { status: state.ExitCode, output: Buffer.concat(output).toString('utf8') }
}

/** The API has no call that ends an exec: its process is killed by the pid the engine names, where we may. */
async function end(client: EngineClient, execId: string): Promise<void> {
  const state = await client.json(State, { path: `/exec/${execId}/json` })
  if (!state.Running || state.Pid <= 1) return
  try {
    process.kill(state.Pid, 'SIGKILL')
  } catch (error) {
    if (!hasCode(error, 'ESRCH') && !hasCode(error, 'EPERM')) throw error
  }
}

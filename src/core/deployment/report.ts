import type { Listening } from '../../drivers/runtime/types.ts'
import { plainText } from '../../lib/control-bytes.ts'
import { Redactor } from '../../lib/sensitive.ts'
import type { Context } from '../context.ts'
import type { Snapshot } from '../environment/snapshot.ts'
import type { Release } from '../release/release.ts'
import { secretValuesOf } from '../secret/variables.ts'
import type { FailureReport } from './deployment.ts'

const LOG_LINES = 50

export interface FailedInstance {
  readonly name: string
  readonly snapshot: Snapshot
  readonly lastProbe: string | null
}

/** What a person needs to understand why an instance did not become ready: gathered before it is taken away. Never throws. */
export async function reportFailure(context: Pick<Context, 'runtime' | 'store' | 'sealer' | 'log'>, failed: FailedInstance): Promise<FailureReport> {
  const { name, snapshot, lastProbe } = failed
  const observed = (await context.runtime.observe(snapshot.environment.id).catch(() => [])).find((one) => one.name === name)
  const instance = snapshot.instances.find((one) => one.name === name)
  const release = (instance && snapshot.releases.get(instance.releaseId)) ?? snapshot.release
  const listening = observed?.state === 'running' ? await context.runtime.listening(name).catch(() => null) : null
  return {
    instance: name,
    lastProbe,
    exitCode: observed?.exitCode ?? null,
    oomKilled: observed?.oomKilled ?? false,
    hint: release ? hintOf(listening, release.runSpec.port) : null,
    logLines: release ? await lastLines(context, name, release) : [],
  }
}

/** Where it does listen, when that explains why it was not reached. Pure. */
export function hintOf(listening: readonly Listening[] | null, port: number): string | null {
  if (listening === null) return null
  if (listening.length === 0) return `it listens on no port at all; it should listen on 0.0.0.0:${port} (the variable PORT says which)`
  const right = listening.filter((socket) => socket.port === port)
  if (right.some((socket) => !isLoopback(socket.address))) return null
  if (right.length > 0) return `it listens on ${right[0]?.address}:${port} only, where nobody outside reaches it; let it listen on 0.0.0.0:${port}`
  const ports = [...new Set(listening.map((socket) => socket.port))].join(', ')
  return `it listens on port ${ports}, and was asked on ${port}; say "port: ${listening[0]?.port}" in lockgate.yaml, or let it listen on PORT`
}

function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1'
}

async function lastLines(context: Pick<Context, 'runtime' | 'store' | 'sealer'>, name: string, release: Release): Promise<string[]> {
  const lines: string[] = []
  try {
    const redactor = new Redactor(await secretValuesOf(context, release))
    for await (const line of context.runtime.logs(name, { sinceMs: 0, follow: false, signal: AbortSignal.timeout(5_000) })) {
      lines.push(redactor.redact(plainText(line.text)).slice(0, 2_000))
      if (lines.length > LOG_LINES) lines.shift()
    }
  } catch {
    // The report is worth having without its log lines.
  }
  return lines
}

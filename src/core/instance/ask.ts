import { request } from 'node:http'
import { connect as connectH2 } from 'node:http2'
import { connect } from 'node:net'
import type { Runtime } from '../../drivers/runtime/types.ts'
import { messageOf } from '../../lib/errors.ts'
import type { HealthSpec, Protocol } from '../artifact/artifact.ts'

/** Who is asked, and how. */
export interface ProbeTarget {
  readonly name: string
  readonly environmentId: string
  readonly address: string
  readonly port: number
  readonly protocol: Protocol
  readonly health: HealthSpec
  /** Host header of HTTP probes. A failure names it: some apps answer only to their own names. */
  readonly host: string
  /** Takes the secrets of its release out of what it prints. */
  readonly redact: (text: string) => string
  /** It was ready once; only then does silence at first mean "not known yet". */
  readonly proven: boolean
  /** Changes when the process is another one: what was known of the old one does not count. */
  readonly startedAt: number | null
}

export interface ProbeAnswer {
  readonly ok: boolean
  /** `GET /up → 200`, `connection refused on port 8080`. */
  readonly text: string
}

/** One probe, from outside the instance (a `command` probe runs inside, through the engine). Never throws. */
export async function ask(target: ProbeTarget, runtime: Pick<Runtime, 'exec'>): Promise<ProbeAnswer> {
  try {
    switch (target.health.kind) {
      case 'command':
        return await askCommand(target, runtime)
      case 'tcp':
        return await askTcp(target)
      case 'http':
        return target.protocol === 'h2c' ? await askH2c(target, isGood) : await askHttp(target, isGood)
      case 'default':
        return target.protocol === 'h2c' ? await askTcp(target) : await askHttp(target, isNoServerError)
    }
  } catch (error) {
    return { ok: false, text: messageOf(error) }
  }
}

function isGood(status: number): boolean {
  return status >= 200 && status < 400
}

function isNoServerError(status: number): boolean {
  return status < 500
}

async function askCommand(target: ProbeTarget, runtime: Pick<Runtime, 'exec'>): Promise<ProbeAnswer> {
  const { status, output } = await runtime.exec(target.name, target.health.command, target.health.timeoutMs)
  const last = target.redact(output).trim().split('\n').at(-1)?.slice(0, 200) ?? ''
  const command = target.redact(target.health.command.join(' '))
  return { ok: status === 0, text: `${command} → exit ${status}${last === '' ? '' : `: ${last}`}` }
}

function askTcp(target: ProbeTarget): Promise<ProbeAnswer> {
  return new Promise((resolve) => {
    const socket = connect({ host: target.address, port: target.port, timeout: target.health.timeoutMs })
    const end = (answer: ProbeAnswer): void => {
      socket.destroy()
      resolve(answer)
    }
    socket.on('connect', () => end({ ok: true, text: `port ${target.port} accepts connections` }))
    socket.on('timeout', () => end({ ok: false, text: `no answer on port ${target.port} within ${target.health.timeoutMs} ms` }))
    socket.on('error', (error) => end({ ok: false, text: connectionFailure(error, target) }))
  })
}

function askHttp(target: ProbeTarget, passes: (status: number) => boolean): Promise<ProbeAnswer> {
  const { path, timeoutMs, kind } = target.health
  return new Promise((resolve) => {
    const asking = request({
      host: target.address,
      port: target.port,
      path,
      method: 'GET',
      agent: false,
      headers: { host: target.host, 'user-agent': 'lockgate-probe', connection: 'close' },
    })
    const deadline = setTimeout(() => end({ ok: false, text: `GET ${path} → no answer within ${timeoutMs} ms` }), timeoutMs)
    const end = (answer: ProbeAnswer): void => {
      clearTimeout(deadline)
      resolve(answer)
      asking.destroy()
    }
    asking.on('response', (response) => {
      const status = response.statusCode ?? 0
      end({ ok: passes(status), text: `GET ${path} → ${status}${passes(status) ? '' : ` (Host: ${target.host})`}` })
    })
    asking.on('error', (error) => {
      // It accepts, but does not speak HTTP: the default probe asks for no more than an open port then.
      const speaksOther = 'code' in error && String(error.code).startsWith('HPE_')
      if (speaksOther && kind === 'default') end({ ok: true, text: `port ${target.port} accepts connections (not HTTP)` })
      else end({ ok: false, text: connectionFailure(error, target) })
    })
    asking.end()
  })
}

function askH2c(target: ProbeTarget, passes: (status: number) => boolean): Promise<ProbeAnswer> {
  const { path, timeoutMs } = target.health
  return new Promise((resolve) => {
    const session = connectH2(`http://${target.address}:${target.port}`)
    const end = (answer: ProbeAnswer): void => {
      clearTimeout(deadline)
      session.destroy()
      resolve(answer)
    }
    const deadline = setTimeout(() => end({ ok: false, text: `GET ${path} (h2c) → no answer within ${timeoutMs} ms` }), timeoutMs)
    session.on('error', (error) => end({ ok: false, text: connectionFailure(error, target) }))
    const stream = session.request({ ':path': path, ':authority': target.host })
    stream.on('response', (headers) => {
      const status = Number(headers[':status'])
      end({ ok: passes(status), text: `GET ${path} (h2c) → ${status}${passes(status) ? '' : ` (Host: ${target.host})`}` })
    })
    // A stream that its session cancelled says so; what happened to the session is in its cause.
    stream.on('error', (error) => end({ ok: false, text: connectionFailure(error.cause instanceof Error ? error.cause : error, target) }))
    stream.end()
  })
}

function connectionFailure(error: Error, target: ProbeTarget): string {
  const code = 'code' in error ? String(error.code) : ''
  if (code === 'ECONNREFUSED') return `connection refused on port ${target.port}`
  if (code === 'ECONNRESET') return `port ${target.port} closed the connection without an answer`
  if (code === 'EHOSTUNREACH') return `${target.address} cannot be reached`
  return `${code || error.message} on port ${target.port}`
}

import { backoffMs } from '../../../lib/backoff.ts'
import { pause } from '../../../lib/clock.ts'
import type { EngineClient } from './client.ts'
import { labelFilter } from './labels.ts'
import { jsonLines } from './lines.ts'
import { EngineEvent } from './schema.ts'

/**
 * Whether the engine saw a memory kill in a container since a time: State.OOMKilled stays false when only a child was
 * killed. The engine remembers its last 256 events; one that is forgotten counts as none. Both times are the engine's, as it told
 * them: its clock and ours may differ. Where `untilMs` is still to come it is listened for news until then, because the engine
 * tells of a memory kill a moment after it tells of the end.
 */
export async function wasOutOfMemory(client: EngineClient, id: string, when: { readonly sinceMs: number; readonly untilMs: number }): Promise<boolean> {
  const query = {
    since: String(Math.floor(when.sinceMs / 1000)),
    // The engine keeps the answer open until then.
    until: (when.untilMs / 1000).toFixed(3),
    filters: JSON.stringify({ type: ['container'], container: [id], event: ['oom'] }),
  }
  const stop = AbortSignal.timeout(5_000)
  const stream = await client.stream({ path: '/events', query, signal: stop })
  try {
    for await (const _event of jsonLines(stream, EngineEvent)) return true
  } catch (error) {
    if (!stop.aborted) throw error
  } finally {
    stream.destroy()
  }
  return false
}

/** Names of our containers with which something happened. Reconnects for ever; ends with the signal. */
export async function* watchContainers(client: EngineClient, installation: string, signal: AbortSignal): AsyncIterable<string> {
  const { label } = JSON.parse(labelFilter(installation).filters) as { readonly label: string[] }
  const filters = JSON.stringify({ type: ['container'], label, event: ['start', 'die', 'oom', 'destroy'] })
  for (let failures = 0; !signal.aborted; failures++) {
    try {
      const stream = await client.stream({ path: '/events', query: { filters }, signal })
      for await (const event of jsonLines(stream, EngineEvent)) {
        failures = 0
        const name = event.Actor.Attributes['name']
        if (name) yield name
      }
    } catch {
      // Hints only: whoever polls sees the engine's failure himself.
    }
    await pause(backoffMs(failures + 1, 250, 5_000), signal)
  }
}

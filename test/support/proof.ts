// What a test measured, for the pages that `bin/test proof` and `bin/test machines` write: it travels in the results of the run.
import type { TestContext } from 'vitest'

/** Figures by name: kills, requests sent and failed, milliseconds. */
export type Figures = Readonly<Record<string, number>>

/** Adds figures to a test's result; a name that was told before is summed up. */
export function tell(task: TestContext['task'], figures: Figures): void {
  const meta = task.meta as { figures?: Record<string, number> }
  meta.figures ??= {}
  for (const [name, value] of Object.entries(figures)) meta.figures[name] = (meta.figures[name] ?? 0) + value
}

/** Adds a sentence to a test's result, such as the versions of what was tested. */
export function note(task: TestContext['task'], text: string): void {
  const meta = task.meta as { notes?: string[] }
  meta.notes = [...(meta.notes ?? []), text]
}

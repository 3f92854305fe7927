/** Something that takes disk, and whether anybody would miss it. */
export interface DiskItem {
  readonly kind: 'artifact' | 'leftover' | 'base' | 'cache' | 'repository' | 'logs' | 'database' | 'others'
  /** For people: `shop: main@3f2c1a9`. */
  readonly name: string
  readonly bytes: number
  /** null: it is needed, and stays. Else why nobody misses it. */
  readonly mayGo: string | null
  /** What removes it: a digest, a volume. null: nothing does it from here. */
  readonly id: string | null
  /** The project whose it is; null: of no project that is known. */
  readonly projectId: string | null
  /** Whether everybody uses it, so that its name says nothing of a project. */
  readonly isShared: boolean
}

/**
 * What a caller of one project may see of a survey: what is the project's or shared. Everything else is one sum without names.
 * `projectId` null: a caller of the whole installation, who sees all. Pure.
 */
export function seenBy(items: readonly DiskItem[], projectId: string | null): readonly DiskItem[] {
  if (projectId === null) return items
  const seen = items.filter((item) => item.isShared || item.projectId === projectId)
  const bytes = items.reduce((sum, item) => sum + item.bytes, 0) - seen.reduce((sum, item) => sum + item.bytes, 0)
  if (bytes === 0) return seen
  const others: DiskItem = { kind: 'others', name: 'everything that is not of this project', bytes, mayGo: null, id: null, projectId: null, isShared: true }
  return [...seen, others].toSorted((a, b) => b.bytes - a.bytes)
}

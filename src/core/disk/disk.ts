/** Something that takes disk, and whether anybody would miss it. */
export interface DiskItem {
  readonly kind: 'artifact' | 'leftover' | 'base' | 'cache' | 'repository' | 'logs' | 'database'
  /** For people: `shop: main@3f2c1a9`. */
  readonly name: string
  readonly bytes: number
  /** null: it is needed, and stays. Else why nobody misses it. */
  readonly mayGo: string | null
  /** What removes it: a digest, a volume. null: nothing does it from here. */
  readonly id: string | null
}

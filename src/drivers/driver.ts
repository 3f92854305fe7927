import type { z } from 'zod'

/** What a driver module is: one folder, one value of this shape. `Config` is one validated JSON value. */
export interface Driver<Port, Config extends z.ZodType, Needs> {
  readonly name: string
  readonly Config: Config
  /** Opens it; throws InvalidError or UnavailableError with what to do. */
  create(config: z.infer<Config>, needs: Needs): Promise<Port>
}

import type { z } from 'zod'
import { InvalidError } from '../lib/errors.ts'

/** What the server knows of itself, of which drivers make what the settings leave out. */
export interface ServerFacts {
  /** Short id of this installation. */
  readonly installation: string
  /** `10.210.0.0/16`: where instances get their addresses. */
  readonly instanceRange: string
  readonly dataDirectory: string
}

/** What a driver module is: one folder, one value of this shape. `Config` is one validated JSON value. */
export interface Driver<Port, Config extends z.ZodType, Needs> {
  readonly name: string
  readonly Config: Config
  /** Keys of `Config` that follow from the server where the settings do not say them. */
  given?(server: ServerFacts): Readonly<Record<string, unknown>>
  /** Opens it; throws InvalidError or UnavailableError with what to do. */
  create(config: z.infer<Config>, needs: Needs): Promise<Port>
}

/** What the settings say of one part: the name of a driver, and its configuration. */
export interface Chosen {
  readonly driver: string
  readonly config: Readonly<Record<string, unknown>>
}

/**
 * Opens the driver that the settings name, of all there are for a part (`runtime`). Throws InvalidError `settings.invalid` for a name that
 * is none, ZodError for a configuration that it does not take, and what opening it throws.
 */
export async function openDriver<Port, Needs>(
  all: Readonly<Record<string, Driver<Port, z.ZodType, Needs>>>,
  chosen: Chosen & { readonly part: string },
  how: { readonly server: ServerFacts; readonly needs: Needs },
): Promise<Port> {
  const driver = Object.hasOwn(all, chosen.driver) ? all[chosen.driver] : undefined
  if (driver === undefined)
    throw new InvalidError(
      'settings.invalid',
      `${chosen.part}.driver is "${chosen.driver.slice(0, 100)}" in the settings; there are ${Object.keys(all).join(', ')}.`,
    )
  return driver.create(driver.Config.parse({ ...driver.given?.(how.server), ...chosen.config }), how.needs)
}

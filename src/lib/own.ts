/** A value under a name that people choose: what every object inherits (`constructor`) is none of it. */
export function ownOf<T>(values: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(values, name) ? values[name] : undefined
}

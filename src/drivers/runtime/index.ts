import { docker } from './docker/index.ts'
import { fake } from './fake/index.ts'

/** Every runtime there is, by the name that stands in the settings. */
export const runtimes = { docker, fake }

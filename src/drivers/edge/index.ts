import { fake } from './fake/index.ts'
import { haproxy } from './haproxy/index.ts'

/** Every edge there is, by the name that stands in the settings. */
export const edges = { haproxy, fake }

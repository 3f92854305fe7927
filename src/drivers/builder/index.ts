import { box } from './box/index.ts'
import { fake } from './fake/index.ts'

/** Every builder there is, by the name that stands in the settings. */
export const builders = { box, fake }

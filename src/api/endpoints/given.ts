import type { App } from '../../core/app/app.ts'
import type { Environment } from '../../core/environment/environment.ts'
import type { Call } from '../call.ts'

/** The app the path names: the door has loaded it. */
export function appOf(call: Call): App {
  if (!call.app) throw new Error('this route has no app in its path')
  return call.app
}

/** The environment the path names: the door has loaded it, and checked the permission there. */
export function environmentOf(call: Call): Environment {
  if (!call.environment) throw new Error('this route has no environment in its path')
  return call.environment
}

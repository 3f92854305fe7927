import { z } from 'zod'
import type { Checkout } from '../build-plan.ts'

/** Compiled where they are installed, unless their authors have a prebuilt one for exactly this Node. */
const COMPILED: readonly string[] = (
  'node-gyp bcrypt better-sqlite3 sqlite3 canvas node-sass argon2 bufferutil utf-8-validate re2 node-pty cpu-features libpq kerberos leveldown zeromq usb ' +
  'serialport deasync farmhash microtime bigint-buffer isolated-vm snappy heapdump node-expat bigint-hash sodium-native'
).split(' ')
/** They run a script when they are installed, and it compiles nothing. */
const HARMLESS =
  /(^|\/)node_modules\/(esbuild|fsevents|core-js|core-js-pure|@swc\/core|husky|protobufjs|puppeteer|cypress|playwright|@parcel\/watcher|unrs-resolver|msw|nx|@sentry\/cli|workerd|sharp)$/

const Lock = z.object({
  packages: z.record(z.string(), z.object({ hasInstallScript: z.boolean().optional(), os: z.array(z.string()).optional() })).default({}),
})

/** A package of the lock that has to be compiled, so that the build needs compilers; null: none. */
export function compiledPackage({ texts }: Checkout, lock: string): string | null {
  const text = texts[lock]
  if (text === undefined) return null
  if (text === null) return `something in ${lock}, which is too large to look at`
  return lock.endsWith('.json') ? ofNpm(text) : ofOthers(text)
}

function ofNpm(text: string): string | null {
  const lock = parsed(text)
  for (const [path, { hasInstallScript, os }] of Object.entries(lock?.packages ?? {})) {
    const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)
    const isOfLinux = os === undefined || os.includes('linux')
    if (path !== '' && isOfLinux && (COMPILED.includes(name) || (hasInstallScript && !HARMLESS.test(path)))) return name
  }
  return null
}

function parsed(text: string): z.infer<typeof Lock> | null {
  try {
    return Lock.safeParse(JSON.parse(text)).data ?? null
  } catch {
    return null
  }
}

/** Names stand at the beginning of a line in both formats: `  bcrypt@5.1.1:`, `"bcrypt@npm:^5.1.0":`, `/bcrypt@5.1.1:`. */
function ofOthers(text: string): string | null {
  return COMPILED.find((name) => new RegExp(`^[ \\t]*['"/]*${name}[@/]`, 'm').test(text)) ?? null
}

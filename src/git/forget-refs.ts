import { run } from '../lib/run.ts'
import { GIT_ENVIRONMENT } from './environment.ts'

/** Refs of ours that name what once came in; branches and tags of people are not among them. */
const OURS = ['refs/lockgate/pushes', 'refs/lockgate/uploads', 'refs/lockgate/source']
const SETTLED_MS = 86_400_000
const GC_MS = 30 * 60_000

/** Removes refs of ours whose commit is not kept, and has been there for a day; then the objects that nothing names. */
export async function forgetRefs(repository: string, kept: ReadonlySet<string>): Promise<void> {
  const format = '%(refname) %(objectname) %(*objectname) %(creatordate:unix)'
  const { stdout } = await run('git', ['for-each-ref', `--format=${format}`, ...OURS], { env: GIT_ENVIRONMENT, cwd: repository })
  const old = stdout.split('\n').flatMap((line) => {
    const [ref, object, peeled, at] = line.split(' ')
    if (ref === undefined || object === undefined || kept.has(object) || kept.has(peeled ?? '')) return []
    return Date.now() - Number(at) * 1000 < SETTLED_MS ? [] : [`delete ${ref} ${object}\n`]
  })
  if (old.length === 0) return
  await run('git', ['update-ref', '--stdin'], { env: GIT_ENVIRONMENT, cwd: repository, input: old.join('') })
  // Objects of a push that is just coming in are younger than this.
  await run('git', ['gc', '--quiet', '--prune=1.day.ago'], { env: GIT_ENVIRONMENT, cwd: repository, timeoutMs: GC_MS })
}

import { run } from '../lib/run.ts'
import { GIT_ENVIRONMENT } from './environment.ts'

/** Refs of ours that name what once came in; branches and tags of people are not among them. */
const OURS = ['refs/lockgate/pushes', 'refs/lockgate/uploads', 'refs/lockgate/source']
const SETTLED_MS = 86_400_000
const GC_MS = 30 * 60_000

/** Removes refs of ours whose commit is older than a day and not kept; then the objects that nothing names. */
export async function forgetRefs(repository: string, kept: () => Promise<ReadonlySet<string>>): Promise<void> {
  const format = '%(refname) %(objectname) %(*objectname) %(creatordate:unix)'
  const { stdout } = await run('git', ['for-each-ref', `--format=${format}`, ...OURS], { env: GIT_ENVIRONMENT, cwd: repository })
  // The commit may be older than its push: a ref that comes in after this list is not looked at, and one in it is recorded by now.
  const commits = await kept()
  const old = stdout.split('\n').flatMap((line) => {
    const [ref, object, peeled, at] = line.split(' ')
    if (ref === undefined || object === undefined || commits.has(object) || commits.has(peeled ?? '')) return []
    return Date.now() - Number(at) * 1000 < SETTLED_MS ? [] : [`delete ${ref} ${object}\n`]
  })
  if (old.length === 0 && !(await hasGarbage(repository))) return
  await run('git', ['update-ref', '--stdin'], { env: GIT_ENVIRONMENT, cwd: repository, input: old.join('') })
  // Objects of a push that is just coming in are younger than this.
  await run('git', ['gc', '--quiet', '--prune=1.day.ago'], { env: GIT_ENVIRONMENT, cwd: repository, timeoutMs: GC_MS })
}

/** What an upload that was refused or broken off has left: up to its whole size. */
async function hasGarbage(repository: string): Promise<boolean> {
  const { stdout } = await run('git', ['count-objects', '-v'], { env: GIT_ENVIRONMENT, cwd: repository })
  return !/^garbage: 0$/m.test(stdout)
}

// Looks after the database while the server runs: checks for damage and hourly copies, each in a thread of its own.
import { chmodSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { Clock } from '../lib/clock.ts'
import { messageOf, TimeoutError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import type { CareAnswer, CareTask } from './care-worker.ts'
import { type Copy, copiesIn, copiesToRemove, hourlyName, removeCopies } from './copies.ts'
import { damagedError, isDamage } from './damage.ts'

const COPY_EVERY_MS = 60 * 60_000
/** Housekeeping comes a little early now and then. */
const EARLY_MS = 5 * 60_000
const CHECK_EVERY_MS = 24 * COPY_EVERY_MS
const MOST_COPY_BYTES = 512 * 1024 ** 2
const LEAST_FREE_BYTES = 512 * 1024 ** 2
/** Above this size a check does not compare indexes with their tables, which takes minutes. */
const FULL_CHECK_BYTES = 512 * 1024 ** 2
const CHECK_MS = 60_000
const COPY_MS = 10 * 60_000

interface CareParts {
  readonly directory: string
  readonly clock: Clock
  readonly log: Log
}

/** A check as doctor shows it. */
interface CareCheck {
  readonly area: string
  readonly name: string
  readonly ok: boolean
  readonly sentence: string
}

/** Checks and copies the database of one data directory; the server makes one and asks it hourly. */
export class DatabaseCare {
  readonly #parts: CareParts
  readonly #path: string
  readonly #backups: string
  #checkedAt: number | null = null
  /** Why the last hourly copy was not made; null: it was, or none was due yet. */
  #trouble: string | null = null

  constructor(parts: CareParts) {
    this.#parts = parts
    this.#path = join(parts.directory, 'lockgate.db')
    this.#backups = join(parts.directory, 'backups')
  }

  /** Checks the database at the start of the server. Damage is logged, and the server goes on as far as it can. */
  async checkAtStart(): Promise<void> {
    await this.#checkAndLog('quick_check')
  }

  /** For housekeeping: a full check once a day, and a copy once an hour unless the database is damaged. Never throws. */
  async keep(): Promise<void> {
    const now = this.#parts.clock.monotonic()
    if (this.#checkedAt === null || now - this.#checkedAt >= CHECK_EVERY_MS) {
      this.#checkedAt = now
      await this.#checkAndLog('integrity_check')
    }
    this.#trouble = await this.#copy().catch((error: unknown) => messageOf(error))
    if (this.#trouble !== null) this.#parts.log.error('the database was not copied', { reason: this.#trouble })
  }

  /** For doctor: whether the database is whole, and whether there is a copy of it. */
  async checks(): Promise<CareCheck[]> {
    const damage = await this.#check('integrity_check').catch((error: unknown) => messageOf(error))
    const [newest] = copiesIn(this.#backups)
    const copied = newest === undefined ? 'no copy was made yet' : `the newest copy is ${newest.path}, made ${new Date(newest.at).toISOString()}`
    return [
      {
        area: 'data',
        name: 'database',
        ok: damage === null,
        sentence:
          damage === null
            ? `${this.#path} has no damage`
            : `${this.#path} is damaged: ${damage}. Stop the server, move ${this.#path}* away, and put a copy from ${this.#backups} in its place (${copied})`,
      },
      {
        area: 'data',
        name: 'copies',
        ok: this.#trouble === null,
        sentence: this.#trouble === null ? `The database is copied every hour; ${copied}` : `The hourly copy failed: ${this.#trouble}; ${copied}`,
      },
    ]
  }

  async #checkAndLog(pragma: 'quick_check' | 'integrity_check'): Promise<void> {
    const damage = await this.#check(pragma).catch((error: unknown) => messageOf(error))
    if (damage === null) return
    const newest = copiesIn(this.#backups)[0]?.path ?? 'none'
    this.#parts.log.error('THE DATABASE IS DAMAGED: stop the server and restore a copy; "lockgate doctor" names it', { path: this.#path, damage, newest })
  }

  /** What is damaged, or null. */
  async #check(pragma: 'quick_check' | 'integrity_check'): Promise<string | null> {
    const bytes = statSync(this.#path).size
    const task: CareTask = { kind: 'check', path: this.#path, pragma: bytes > FULL_CHECK_BYTES ? 'quick_check' : pragma }
    return perform(task, CHECK_MS)
  }

  /** Makes an hourly copy when one is due. Gives why it could not, or null. */
  async #copy(): Promise<string | null> {
    const now = this.#parts.clock.now()
    const isRecent = ({ at, isHourly }: Copy): boolean => isHourly && at <= now && now - at < COPY_EVERY_MS - EARLY_MS
    if (copiesIn(this.#backups).some(isRecent)) return null
    // A damaged database must not replace good copies.
    const damage = await this.#check('quick_check')
    if (damage !== null) return `the database is damaged (${damage})`
    const bytes = statSync(this.#path).size
    const { bavail, bsize } = await statfs(this.#parts.directory)
    if (bavail * bsize < bytes + LEAST_FREE_BYTES)
      return `${Math.round((bavail * bsize) / 1024 ** 2)} MB are free on the disk of ${this.#parts.directory}, and a copy needs ${Math.ceil((bytes + LEAST_FREE_BYTES) / 1024 ** 2)} MB. Free space there`
    mkdirSync(this.#backups, { recursive: true, mode: 0o700 })
    const path = join(this.#backups, hourlyName(now))
    const half = join(this.#backups, 'hourly.tmp')
    rmSync(half, { force: true })
    try {
      await perform({ kind: 'copy', path: this.#path, to: half }, COPY_MS)
      chmodSync(half, 0o600)
      renameSync(half, path)
    } finally {
      rmSync(half, { force: true })
    }
    removeCopies(copiesToRemove(copiesIn(this.#backups), MOST_COPY_BYTES))
    return null
  }
}

/** Runs one task in a thread of its own. Throws RejectedError `store.damaged`, TimeoutError `store.care_deadline`. */
function perform(task: CareTask, deadlineMs: number): Promise<string | null> {
  const file = import.meta.url.endsWith('.ts') ? './care-worker.ts' : './care-worker.js'
  const worker = new Worker(new URL(file, import.meta.url), { workerData: task, resourceLimits: { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 32 } })
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      void worker.terminate()
      reject(
        new TimeoutError('store.care_deadline', `The ${task.kind} of the database did not finish within ${deadlineMs / 1_000} s: its disk is slow or busy.`),
      )
    }, deadlineMs)
    worker.on('message', (answer: CareAnswer) => {
      clearTimeout(timer)
      if ('damage' in answer) resolve(answer.damage)
      else reject(isDamage(answer.errcode) ? damagedError(answer.error) : new Error(`SQLite: ${answer.error}`))
    })
    worker.on('error', (error) => {
      clearTimeout(timer)
      reject(error)
    })
    worker.on('exit', () => {
      clearTimeout(timer)
      reject(new Error('The thread that looks after the database ended without an answer'))
    })
  })
}

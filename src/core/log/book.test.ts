import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { aFolder } from '../../../test/support/store.ts'
import { LogBook } from './book.ts'
import type { LogKey, LogRecord } from './log.ts'

const KEY: LogKey = 'build/b-1'

function line(text: string): Omit<LogRecord, 'seq'> {
  return { at: 1, source: null, stream: 'stdout', text }
}

async function filled(book: LogBook, lines: number): Promise<void> {
  for (let at = 1; at <= lines; at += 1) await book.append(KEY, line(`line ${at}`))
}

function numbers(records: readonly LogRecord[]): number[] {
  return records.map((record) => record.seq)
}

test('lines are numbered from one, and the last of them are given in order', async () => {
  const book = new LogBook({ directory: await aFolder() })
  await filled(book, 10)

  expect(await book.tail(KEY, 3)).toEqual([8, 9, 10].map((seq) => ({ seq, ...line(`line ${seq}`) })))
  expect(numbers(await book.tail(KEY, 100))).toHaveLength(10)
  expect(await book.tail(KEY, 0)).toEqual([])
  expect(await book.tail('build/nothing', 5)).toEqual([])
})

test('a reader goes on after a number', async () => {
  const book = new LogBook({ directory: await aFolder() })
  await filled(book, 10)

  expect(numbers(await book.after(KEY, 4, 3))).toEqual([5, 6, 7])
  expect(numbers(await book.after(KEY, 8, 100))).toEqual([9, 10])
  expect(await book.after(KEY, 10, 100)).toEqual([])
})

test('a follower hears what was, then what comes, each line once, until it leaves', async () => {
  const book = new LogBook({ directory: await aFolder() })
  await filled(book, 3)
  const leave = new AbortController()
  const heard: number[] = []
  const following = (async () => {
    for await (const record of book.follow(KEY, 1, leave.signal)) {
      heard.push(record.seq)
      if (record.seq < 6) await book.append(KEY, line('more'))
      if (record.seq === 6) leave.abort()
    }
  })()
  await following

  expect(heard).toEqual([...new Set(heard)].toSorted((a, b) => a - b))
  expect(heard.slice(0, 5)).toEqual([2, 3, 4, 5, 6])
})

test('the numbers go on after a restart', async () => {
  const directory = await aFolder()
  const before = new LogBook({ directory })
  await filled(before, 5)
  await before.flush()

  const after = new LogBook({ directory })
  await after.append(KEY, line('new'))

  expect(numbers(await after.after(KEY, 0, 100))).toEqual([1, 2, 3, 4, 5, 6])
})

test('a log is bounded: the oldest lines go, the newest stay', async () => {
  const directory = await aFolder()
  const book = new LogBook({ directory, fileBytes: 2_000 })
  for (let at = 0; at < 300; at += 1) {
    await book.append(KEY, line('x'.repeat(80)))
    await book.flush()
  }

  const files = await readdir(join(directory, 'build'))
  const sizes = await Promise.all(files.map(async (name) => (await stat(join(directory, 'build', name))).size))
  expect(files.toSorted()).toEqual(['b-1.log', 'b-1.log.1'])
  expect(Math.max(...sizes)).toBeLessThan(2_500)
  expect(numbers(await book.tail(KEY, 5))).toEqual([296, 297, 298, 299, 300])
})

test('a line without an end is cut, and one that was torn in a crash is passed over', async () => {
  const directory = await aFolder()
  const book = new LogBook({ directory })
  await book.append(KEY, line('y'.repeat(1_000_000)))
  await book.append(KEY, line('after'))

  const [long, after] = await book.tail(KEY, 2)
  expect([long?.text.length, after?.text]).toEqual([32 * 1024, 'after'])
})

test('what is removed is gone, and its number begins anew', async () => {
  const directory = await aFolder()
  const book = new LogBook({ directory })
  await filled(book, 3)
  await book.remove(KEY)
  await book.remove(KEY)

  expect(await readdir(join(directory, 'build'))).toEqual([])
  await filled(book, 1)
  expect(numbers(await book.tail(KEY, 5))).toEqual([1])
})

test('a reader far behind gets every line in order, from anywhere in files of many pieces', async () => {
  const book = new LogBook({ directory: await aFolder(), fileBytes: 1_500_000 })
  const text = 'x'.repeat(1_000)
  for (let at = 1; at <= 2_500; at += 1) await book.append(KEY, line(text))
  await book.flush()
  const [oldest] = await book.after(KEY, 0, 1)
  const first = oldest?.seq ?? 0

  for (const seq of [0, first, first + 1, 700, 1_499, 1_500, 1_501, 2_498, 2_499])
    expect(numbers(await book.after(KEY, seq, 3))).toEqual([1, 2, 3].map((step) => Math.max(seq, first - 1) + step).filter((next) => next <= 2_500))
})

test('a follower that does not read holds nothing in memory', async () => {
  const book = new LogBook({ directory: await aFolder() })
  const leave = new AbortController()
  const following = book.follow(KEY, 0, leave.signal)
  await book.append(KEY, line('first'))
  await following.next()
  const before = process.memoryUsage().heapUsed
  for (let at = 0; at < 20_000; at += 1) {
    await book.append(KEY, line('y'.repeat(1_000)))
    if (at % 500 === 0) await book.flush()
  }
  await book.flush()

  expect(process.memoryUsage().heapUsed - before).toBeLessThan(15 * 1024 * 1024)
  expect((await following.next()).value?.seq).toBe(2)
  leave.abort()
  await following.return(undefined)
})

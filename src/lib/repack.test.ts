import { Readable } from 'node:stream'
import { extract, type Header, pack } from 'tar-stream'
import { describe, expect, test } from 'vitest'
import { codeOf } from './errors.ts'
import { type RepackOptions, repack } from './repack.ts'

const OPTIONS: RepackOptions = { from: '', into: 'app', uid: 700_000, maxBytes: 1024 * 1024, maxEntries: 100 }

type Entry = Partial<Header> & { readonly name: string; readonly text?: string }

async function anArchive(...entries: readonly Entry[]): Promise<Buffer> {
  const tar = pack()
  for (const { text, ...header } of entries) tar.entry(header as Header, text ?? '')
  tar.finalize()
  const chunks: Uint8Array[] = []
  for await (const chunk of tar) chunks.push(chunk as Uint8Array)
  return Buffer.concat(chunks)
}

async function repacked(archive: Buffer, options: Partial<RepackOptions> = {}): Promise<Header[]> {
  const entries = extract()
  const headers: Header[] = []
  repack(Readable.from([archive], { objectMode: false }), { ...OPTIONS, ...options })
    .on('error', (error) => entries.destroy(error))
    .pipe(entries)
  for await (const entry of entries) {
    headers.push(entry.header)
    entry.resume()
  }
  return headers
}

async function refusal(archive: Buffer, options: Partial<RepackOptions> = {}): Promise<string> {
  try {
    await repacked(archive, options)
  } catch (error) {
    expect(codeOf(error)).toEqual('archive.refused')
    return error instanceof Error ? error.message : ''
  }
  throw new Error('it was not refused')
}

/** A header block of our own making, for what no library writes. */
function rawHeader(name: string, size: string, type: string): Buffer {
  const block = Buffer.alloc(512)
  block.write(name, 0)
  block.write('0000644\0', 100)
  block.write(size, 124)
  block.write('00000000000\0', 136)
  block.write(type, 156)
  block.write('ustar\u000000', 257)
  block.fill(' ', 148, 156)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return block
}

test('files, folders and links inside come out below the folder, with plain modes and one owner', async () => {
  const archive = await anArchive(
    { name: './', type: 'directory' },
    { name: './bin/', type: 'directory', mode: 0o2777 },
    { name: './bin/run', mode: 0o4755, uid: 0, text: 'x' },
    { name: './start', type: 'symlink', linkname: 'bin/run' },
    { name: 'again', type: 'link', linkname: './bin/run' },
  )

  const headers = await repacked(archive)

  expect(headers.map(({ name, type, mode, pax, linkname }) => [name, type, mode, (pax as Record<string, string> | null)?.['uid'], linkname])).toEqual([
    ['app', 'directory', 0o755, '700000', null],
    ['app/bin', 'directory', 0o755, '700000', null],
    ['app/bin/run', 'file', 0o755, '700000', null],
    ['app/start', 'symlink', 0o777, '700000', 'bin/run'],
    ['app/again', 'link', 0o777, '700000', 'app/bin/run'],
  ])
})

test('only the wanted folder is taken', async () => {
  const archive = await anArchive({ name: 'README', text: 'x' }, { name: 'dist/index.html', text: 'x' }, { name: 'distance', text: 'x' })

  const headers = await repacked(archive, { from: 'dist' })

  expect(headers.map((header) => header.name)).toEqual(['app', 'app/index.html'])
})

describe('refused is', () => {
  test.each<[string, Entry[]]>([
    ['a path that climbs out', [{ name: '../etc/passwd', text: 'x' }]],
    ['a path that climbs out in its middle', [{ name: 'a/../../x', text: 'x' }]],
    ['an absolute path', [{ name: '/etc/passwd', text: 'x' }]],
    ['a link that leads outside', [{ name: 'x', type: 'symlink', linkname: '../../etc' }]],
    ['an absolute link that leads outside', [{ name: 'x', type: 'symlink', linkname: '/etc' }]],
    ['an empty link', [{ name: 'x', type: 'symlink', linkname: '' }]],
    ['a hard link to nothing of the archive', [{ name: 'x', type: 'link', linkname: 'etc/shadow' }]],
    [
      'a hard link through a link',
      [
        { name: 'd', type: 'symlink', linkname: '.' },
        { name: 'x', type: 'link', linkname: 'd' },
      ],
    ],
    [
      'a file below a link',
      [
        { name: 'd', type: 'symlink', linkname: 'e' },
        { name: 'd/x', text: 'x' },
      ],
    ],
    [
      'a link in place of a folder that was there',
      [
        { name: 'd', type: 'directory' },
        { name: 'd', type: 'symlink', linkname: 'e' },
      ],
    ],
    ['a device', [{ name: 'sda', type: 'block-device' }]],
    ['a pipe', [{ name: 'pipe', type: 'fifo' }]],
  ])('%s', async (_name, entries) => {
    expect(await refusal(await anArchive(...entries))).toMatch(/^The archive has /)
  })

  test('more bytes than allowed', async () => {
    const archive = await anArchive({ name: 'big', text: 'x'.repeat(2 * 1024 * 1024) })

    expect(await refusal(archive)).toContain('unpacks to more than 1 MB')
  })

  test('more files than allowed', async () => {
    const archive = await anArchive({ name: 'a', text: '' }, { name: 'b', text: '' }, { name: 'c', text: '' })

    expect(await refusal(archive, { maxEntries: 2 })).toContain('more than 2 files')
  })

  test('an archive that breaks off', async () => {
    const archive = await anArchive({ name: 'big', text: 'x'.repeat(100_000) })

    expect(await refusal(archive.subarray(0, 50_000))).toContain('ends before its end')
  })

  test('an archive whose writer ended between two files', async () => {
    const archive = await anArchive({ name: 'a', text: 'x' }, { name: 'b', text: 'x' })

    expect(await refusal(archive.subarray(0, 1024))).toContain('ends before its end')
  })

  test.each([1, 2, 20])('an entry behind %d empty blocks: one program stops there, and another goes on', async (blocks) => {
    const archive = Buffer.concat([rawHeader('a', '00000000000\0', '0'), Buffer.alloc(512 * blocks), rawHeader('b', '00000000000\0', '0'), Buffer.alloc(1024)])

    expect(await refusal(archive)).toContain('has something behind its end')
  })

  test.each([
    ['a hard link', '1', 'x'],
    ['a link', '2', 'x'],
    ['a folder', '5', 'd/'],
  ])('%s that claims to have content', async (_name, type, name) => {
    // Behind it the guard would pass over what the library reads as an entry.
    const archive = Buffer.concat([rawHeader(name, '00000001000\0', type), rawHeader('hidden', '00000000000\0', '0'), Buffer.alloc(1024)])

    expect(await refusal(archive)).toContain('claims to have content')
  })

  test.each(['99 path=/etc/x\n', 'xx path=/etc/x\n', '-6 path=/etc/x\n', '0 path=/etc/xyz\n', '8 nokey\n', '14 path=/etc/x'])(
    'an extended header with the record %j',
    async (text) => {
      const record = Buffer.alloc(512)
      record.write(text)
      const size = text.length.toString(8).padStart(11, '0')
      const archive = Buffer.concat([rawHeader('x', `${size}\0`, 'x'), record, rawHeader('index.html', '00000000000\0', '0'), Buffer.alloc(1024)])

      expect(await refusal(archive)).toContain('extended header that cannot be read')
    },
  )

  test('a name that is not UTF-8, one that is too long, and an entry of no known kind', async () => {
    const latin = rawHeader('a?b', '00000000000\0', '0')
    latin[1] = 0xff
    latin.fill(' ', 148, 156)
    latin.write(
      `${latin
        .reduce((sum, byte) => sum + byte, 0)
        .toString(8)
        .padStart(6, '0')}\0 `,
      148,
    )

    expect(await refusal(Buffer.concat([latin, Buffer.alloc(1024)]))).toContain('not written in UTF-8')
    expect(await refusal(await anArchive({ name: `d/${'x'.repeat(256)}`, text: '' }))).toContain('longer than 255 bytes')
    expect(await refusal(Buffer.concat([rawHeader('label', '00000000000\0', 'V'), Buffer.alloc(1024)]))).toContain('of a kind that is no file')
  })

  test('what is no archive', async () => {
    expect(await refusal(Buffer.from('hello '.repeat(1000)))).toMatch(/size cannot be read|cannot be read/)
  })

  test('an extended header that claims a huge size', async () => {
    const archive = Buffer.concat([rawHeader('x', '77777777777\0', 'x'), Buffer.alloc(4096)])

    expect(await refusal(archive)).toContain('extended header of more than 1 MB')
  })

  test('a size that only the extended header says', async () => {
    const record = Buffer.alloc(512)
    record.write('16 size=9999999\n')
    const archive = Buffer.concat([rawHeader('x', '00000000020\0', 'x'), record, rawHeader('f', '00000000000\0', '0'), Buffer.alloc(1024)])

    expect(await refusal(archive)).toContain('stands in an extended header')
  })
})

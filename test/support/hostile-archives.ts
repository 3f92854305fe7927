// Archives that are no folder to deploy: as a gzipped tar, or as bytes that only look like one.
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import { pack } from 'tar-stream'

type Header = Parameters<ReturnType<typeof pack>['entry']>[0]
type Entry = Header & { readonly text?: string | Uint8Array }

async function aTar(...entries: readonly Entry[]): Promise<Buffer> {
  const tar = pack()
  const chunks: Buffer[] = []
  for (const { text, ...header } of entries) tar.entry(header, text === undefined ? '' : Buffer.from(text))
  tar.finalize()
  for await (const chunk of tar) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

async function anArchive(...entries: readonly Entry[]): Promise<Buffer> {
  return gzipSync(await aTar(...entries))
}

interface Block {
  readonly name?: string | Uint8Array
  readonly type?: string
  readonly link?: string
  readonly prefix?: string
  /** Changes bytes before the sum is made. */
  readonly change?: (block: Buffer) => void
}

/** A header as no library writes it, with its sum right. */
function header(size: string, { name = 'index.html', type = '0', link = '', prefix = '', change }: Block = {}): Buffer {
  const block = Buffer.alloc(512)
  Buffer.from(name as string).copy(block, 0)
  block.write('0000644\0', 100)
  block.write('0000000\0', 108)
  block.write('0000000\0', 116)
  block.write(`${size}\0`, 124)
  block.write('00000000000\0', 136)
  block.write('        ', 148)
  block.write(type, 156)
  block.write(link, 157)
  block.write('ustar\u000000', 257)
  block.write(prefix, 345)
  change?.(block)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return block
}

/** A file that claims to be longer than what follows. */
export const claiming = (size: string, type = '0'): Buffer => header(size, { type })
const octal = (bytes: number): string => bytes.toString(8).padStart(11, '0')
const END = Buffer.alloc(1024)

/** An entry of a type with a text, then a good file and the end. */
async function entryOf(type: string, text: string, more: Block = {}): Promise<Buffer> {
  const content = Buffer.alloc(Math.ceil(text.length / 512) * 512)
  content.write(text, 'latin1')
  return gzipSync(Buffer.concat([header(octal(text.length), { name: 'x', type, ...more }), content, await aTar(index)]))
}

const index = { name: 'index.html', text: 'x' }
const many = Array.from({ length: 100_001 }, (_, at) => ({ name: `f/${at}`, text: '' }))

export const ARCHIVES: Readonly<Record<string, () => Promise<Uint8Array> | Uint8Array>> = {
  'no gzip': () => Buffer.from('hello'),
  nothing: () => Buffer.alloc(0),
  'gzip of nothing': () => gzipSync(''),
  'gzip of no tar': () => gzipSync('x'.repeat(5_000)),
  'gzip that breaks off': async () => (await anArchive({ ...index, text: 'x'.repeat(50_000) })).subarray(0, 60),
  'gzip that is damaged': async () => {
    const bytes = await anArchive({ ...index, text: 'y'.repeat(50_000) })
    bytes[20] = (bytes[20] ?? 0) ^ 0xff
    return bytes
  },
  'tar that breaks off': () => gzipSync(claiming('00000100000')),
  'a path that climbs': () => anArchive({ name: '../../etc/cron.d/x', text: 'x' }),
  'a path that climbs in the middle': () => anArchive({ name: 'a/../../x', text: 'x' }),
  'an absolute path': () => anArchive({ name: '/etc/passwd', text: 'x' }),
  'a path with a NUL': () => anArchive({ name: 'a\0b', text: 'x', pax: { path: 'a\0b' } }),
  'a path of 5,000 letters': () => anArchive({ name: 'a', text: 'x', pax: { path: 'a'.repeat(5_000) } }),
  'a link that leads out': () => anArchive({ name: 'x', type: 'symlink', linkname: '/etc/passwd' }),
  'a link that climbs': () => anArchive({ name: 'a/x', type: 'symlink', linkname: '../../x' }),
  'a link to nothing': () => anArchive({ name: 'x', type: 'symlink', linkname: '' }),
  'a file below a link': () => anArchive({ name: 'd', type: 'symlink', linkname: '.' }, { name: 'd/x', text: 'x' }),
  'a hard link that leads out': () => anArchive({ name: 'x', type: 'link', linkname: '/etc/passwd' }),
  'a hard link to itself': () => anArchive({ name: 'x', type: 'link', linkname: 'x' }),
  'a hard link inside': () => anArchive(index, { name: 'x', type: 'link', linkname: 'index.html' }),
  'a device': () => anArchive({ name: 'sda', type: 'block-device', devmajor: 8, devminor: 0 }),
  'a character device': () => anArchive({ name: 'tty', type: 'character-device', devmajor: 5, devminor: 0 }),
  'a pipe': () => anArchive({ name: 'fifo', type: 'fifo' }),
  'the same file twice': () => anArchive(index, index),
  'a file that is a folder': () => anArchive({ name: 'a', text: 'x' }, { name: 'a/b', text: 'x' }),
  'a folder of git': () => anArchive({ name: '.git/config', text: '[core]\n\tfsmonitor = touch /tmp/pwned\n' }),
  'a folder of git in capitals': () => anArchive({ name: 'sub/.GIT/config', text: 'x' }),
  'a folder of git as Windows writes it': () => anArchive({ name: 'git~1/config', text: 'x' }),
  'a folder of git with a dot after it': () => anArchive({ name: '.git./config', text: 'x' }),
  'a size that is no number': () => gzipSync(claiming('zzzzzzzzzzz')),
  'a size below nothing': () => gzipSync(claiming('-0000000001')),
  'a size of 8 GB': () => gzipSync(claiming('77777777777')),
  'an extended header of 2 GB': () => gzipSync(claiming('17777777777', 'x')),
  'a size in an extended header': () => anArchive({ name: 'a', text: 'x', pax: { size: '99999999' } }),
  'more files than a folder has': async () => gzipSync(await aTar(...many)),
  'a bomb of 2 GB': () => gzipSync(Buffer.concat([claiming('20000000000'), Buffer.alloc(64 * 1024 * 1024)])),
  'bombs in a bomb': () => gzipSync(gzipSync(Buffer.alloc(32 * 1024 * 1024))),
  'only what is left out': () => anArchive({ name: 'empty/', type: 'directory' }),
  'a tar without gzip': () => aTar(index),
  'zlib instead of gzip': async () => deflateSync(await aTar(index)),
  'brotli instead of gzip': async () => brotliCompressSync(await aTar(index)),
  'gzip with something behind it': async () => Buffer.concat([await anArchive(index), Buffer.from('something else')]),
  'gzip with a wrong sum': async () => {
    const bytes = await anArchive(index)
    bytes[bytes.length - 6] = (bytes[bytes.length - 6] ?? 0) ^ 0xff
    return bytes
  },
  'gzip with a wrong length': async () => {
    const bytes = await anArchive(index)
    bytes[bytes.length - 1] = (bytes[bytes.length - 1] ?? 0) ^ 0xff
    return bytes
  },
  'a tar whose writer ended between two files': async () => gzipSync((await aTar(index)).subarray(0, 1024)),
  'a tar with a wrong sum': async () => {
    const bytes = await aTar(index)
    bytes[148] = 0x37
    return gzipSync(bytes)
  },
  'a tar of 1979': () => gzipSync(Buffer.concat([header('00000000000', { type: '\0', change: (block) => block.fill(0, 257, 265) }), END])),
  'a name that is not UTF-8': () => gzipSync(Buffer.concat([header('00000000000', { name: Buffer.from([0x61, 0xff, 0x62]) }), END])),
  'a name of 300 letters': () => anArchive(index, { name: 'a', text: 'x', pax: { path: 'b'.repeat(300) } }),
  'a name of 100 letters of three bytes': () => anArchive(index, { name: 'a', text: 'x', pax: { path: '\u30b7'.repeat(100) } }),
  'a name that climbs by its prefix': () => gzipSync(Buffer.concat([header('00000000000', { name: 'x', prefix: '../..' }), END])),
  'an absolute name by its prefix': () => gzipSync(Buffer.concat([header('00000000000', { name: 'x', prefix: '/etc' }), END])),
  'a name that climbs by GNU': () => entryOf('L', '../../evil\0', { name: '././@LongLink' }),
  'a link that leads out by GNU': async () =>
    gzipSync(
      Buffer.concat([
        header('00000000013', { name: '././@LongLink', type: 'K' }),
        Buffer.from('/etc/passwd'.padEnd(512, '\0')),
        header('00000000000', { name: 'x', type: '2' }),
        END,
      ]),
    ),
  'a name that climbs by pax': () => anArchive({ name: 'a', text: 'x', pax: { path: '../x' } }),
  'a link that leads out by pax': () => anArchive({ name: 'a', type: 'symlink', linkname: 'x', pax: { linkpath: '/etc' } }),
  'a hard link that leads out by pax': () => anArchive(index, { name: 'a', type: 'link', linkname: 'index.html', pax: { linkpath: '../index.html' } }),
  'a link with a NUL': () => anArchive({ name: 'a', type: 'symlink', linkname: 'x', pax: { linkpath: 'b\0c' } }),
  'a pax record longer than its header': () => entryOf('x', '99 path=/etc/x\n'),
  'a pax record without a length': () => entryOf('x', 'xx path=/etc/x\n'),
  'a pax record of no length': () => entryOf('x', '0 path=/etc/xyz\n'),
  'a pax record of a length below nothing': () => entryOf('x', '-6 path=/etc/x\n'),
  'a pax record without a key': () => entryOf('x', '8 nokey\n'),
  'a pax record that does not end': () => entryOf('x', '14 path=/etc/x'),
  'a pax size with zeros before it': () => entryOf('x', '0012 size=9\n'),
  'a pax size for all that follows': () => entryOf('g', '10 size=9\n'),
  'an absolute name by pax': () => entryOf('x', '15 path=/etc/x\n'),
  'a sparse file of GNU': () => entryOf('S', 'x'),
  'a sparse file of pax': () => entryOf('x', '22 GNU.sparse.major=1\n'),
  'a label of a volume': () => entryOf('V', ''),
  'a part of another volume': () => entryOf('M', 'x'),
  'a folder of a dump': () => entryOf('D', 'x'),
  'an entry of a type of nobody': () => entryOf('Z', 'x'),
  'a link that claims to have content': () => entryOf('2', 'x', { link: 'index.html' }),
  'a hard link that claims to have content': () => entryOf('1', 'x', { link: 'index.html' }),
  'a folder that claims to have content': () => entryOf('5', 'x', { name: 'd/' }),
  'a device that claims to have content': () => entryOf('4', 'x'),
  'a size in base 256': () => gzipSync(Buffer.concat([header('0', { change: (block) => block.fill(0, 124, 136).writeUInt8(0x80, 124) }), END])),
  'a file that is .git': () => anArchive(index, { name: '.git', text: 'gitdir: /etc' }),
  'a .git with a letter nobody sees': () => anArchive(index, { name: '.g\u200cit/config', text: 'x' }),
  'a .git with a stream of Windows': () => anArchive(index, { name: '.git::$INDEX_ALLOCATION/config', text: 'x' }),
  'a .git below a folder': () => anArchive(index, { name: 'a/b/.git/hooks/post-checkout', text: 'x' }),
  'a link that is .git': () => anArchive(index, { name: '.git', type: 'symlink', linkname: 'x' }),
}

/** Odd, and kept: with what the deployed folder says of itself. */
export const KEPT_ARCHIVES: Readonly<Record<string, () => Promise<Uint8Array>>> = {
  'in two parts of gzip': async () => {
    const bytes = await aTar(index)
    return Buffer.concat([gzipSync(bytes.subarray(0, 512)), gzipSync(bytes.subarray(512))])
  },
  'with rights of root': () => anArchive({ ...index, mode: 0o6777 }),
  'from before time': async () =>
    gzipSync(Buffer.concat([header('00000000001', { change: (block) => block.fill(0xff, 136, 148) }), Buffer.from('x'.padEnd(512, '\0')), END])),
  'with links that go round': () => anArchive(index, { name: 'a', type: 'symlink', linkname: 'b' }, { name: 'b', type: 'symlink', linkname: 'a' }),
  'with names of all objects': () => anArchive(index, { name: '__proto__', text: 'x' }, { name: 'constructor', text: 'x' }),
  'with names that differ in case': () => anArchive(index, { name: 'A', text: 'x' }, { name: 'a', text: 'x' }),
  'with a line end in a name': () => anArchive(index, { name: 'a\nM 100644 :1 b', text: 'x' }),
}

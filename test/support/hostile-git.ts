// Requests of git that git would not send: as bytes, with what they are answered.
import { deflateSync, gzipSync } from 'node:zlib'

const NONE = '0'.repeat(40)
const ONE = '1'.repeat(40)
const packet = (text: string): string => (Buffer.byteLength(text) + 4).toString(16).padStart(4, '0') + text
const create = (ref: string, capabilities = 'report-status'): string => packet(`${NONE} ${ONE} ${ref}\0${capabilities}`)

export interface GitRow {
  readonly name: string
  readonly service: 'git-upload-pack' | 'git-receive-pack'
  readonly body: string | Uint8Array
  readonly headers?: readonly string[]
  /** Of the whole answer; an answer that git cannot give whole breaks off, so that it does not look whole. */
  readonly answer: RegExp
}

const push = (name: string, body: string | Uint8Array, answer: RegExp): GitRow => ({ name, service: 'git-receive-pack', body, answer })
const fetched = (name: string, body: string | Uint8Array, answer: RegExp): GitRow => ({ name, service: 'git-upload-pack', body, answer })

/** No byte of an answer: what came is no request of git. */
const NOTHING = /^$/
const EMPTY = /^HTTP\/1\.1 200 OK[\s\S]*\r\n\r\n0\r\n\r\n$/
const UNPACKED_NOT = /unpack (eof before pack header|index-pack abnormal exit|protocol error)[\s\S]*ng refs\//
const NOT_UNDERSTOOD = /^HTTP\/1\.1 422 [\s\S]*This push (does not begin as git begins one|has an end of its history that names no commit)/
const NO_GZIP = /^HTTP\/1\.1 422 [\s\S]*says that it is gzip, and cannot be unzipped/
const NO_CODING = /^HTTP\/1\.1 422 [\s\S]*git sends gzip or nothing/
const NOT_OURS = /ERR upload-pack: not our ref 1{40}/

const gzip = ['Content-Encoding: gzip']
const v2 = ['Git-Protocol: version=2']

export const GIT_REQUESTS: readonly GitRow[] = [
  push('nothing', '', NOTHING),
  push('only a flush', '0000', EMPTY),
  push('a length that is no number', 'zzzz', NOTHING),
  push('a length of one', '0001', EMPTY),
  push('a length of three', '0003', NOTHING),
  push('a length below nothing', '-001', NOTHING),
  push('the greatest length, and less behind it', `ffff${'x'.repeat(100)}`, NOTHING),
  push('a line that breaks off', '0032hello', NOTHING),
  push('a command without a ref', packet(`${NONE} ${ONE}`), NOTHING),
  push('a command with half an id', packet(`${NONE} 1111 refs/heads/x\0report-status`), NOTHING),
  push('a ref without its pack', `${create('refs/heads/x')}0000`, UNPACKED_NOT),
  push('a pack that is none', `${create('refs/heads/x')}0000PACKjunk`, UNPACKED_NOT),
  push(
    'a pack of four billion objects',
    Buffer.concat([Buffer.from(`${create('refs/heads/x')}0000PACK`), Buffer.from('00000002ffffffff', 'hex')]),
    UNPACKED_NOT,
  ),
  push('a pack of version 9', Buffer.concat([Buffer.from(`${create('refs/heads/x')}0000PACK`), Buffer.from('0000000900000001', 'hex')]), UNPACKED_NOT),
  push('a ref that climbs', `${create('refs/../../x')}0000`, UNPACKED_NOT),
  push('a ref of ours', `${packet(`${ONE} ${NONE} refs/lockgate/pushes/1\0report-status`)}0000`, /ng refs\/lockgate\/pushes\/1|EOF|^$/),
  push('a ref with a name of 60,000 letters', `${create(`refs/heads/${'x'.repeat(60_000)}`)}0000`, UNPACKED_NOT),
  push('a ref that is not there to delete', `${packet(`${ONE} ${NONE} refs/heads/x\0report-status`)}0000`, /ng refs\/heads\/x x has moved meanwhile/),
  push(
    '20,000 refs',
    `${create('refs/heads/b')}${Array.from({ length: 20_000 }, (_, at) => packet(`${NONE} ${ONE} refs/heads/b${at}`)).join('')}0000`,
    UNPACKED_NOT,
  ),
  push('options that nobody offered', `${create('refs/heads/x', 'report-status push-options')}0000${packet('ci.skip')}0000`, UNPACKED_NOT),
  push('a certificate that is none', `${packet('push-cert\0report-status')}${packet('certificate version 0.1\n')}${packet('push-cert-end\n')}0000`, NOTHING),
  push('capabilities of 60 kB', `${create('refs/heads/x', `report-status agent=${'x'.repeat(60_000)}`)}0000`, UNPACKED_NOT),
  push('an object format that is not its own', `${create('refs/heads/x', 'report-status object-format=sha256')}0000`, NOTHING),
  push('an end that names no commit of ours', `${packet(`shallow ${ONE}`)}0000`, EMPTY),
  push('an end of 50 digits', `${packet(`shallow ${ONE}${'1'.repeat(10)}`)}0000`, NOT_UNDERSTOOD),
  push('an end with a line more', `${packet(`shallow ${ONE}\n${ONE}`)}0000`, NOT_UNDERSTOOD),
  push('an end in capitals', `${packet(`shallow ${'A'.repeat(40)}`)}0000`, NOT_UNDERSTOOD),
  push('an end and no flush', packet(`shallow ${ONE}`), NOT_UNDERSTOOD),
  push('an end and a length of three', `${packet(`shallow ${ONE}`)}0003`, NOT_UNDERSTOOD),
  push('an end and a pack that is none', `${packet(`shallow ${ONE}`)}0000PACKjunk`, /^HTTP\/1\.1 422 [\s\S]*The pack of this push is not whole/),
  push('30,000 ends', `${packet(`shallow ${ONE}`).repeat(30_000)}0000`, NOT_UNDERSTOOD),
  { ...push('gzip that is none', 'hello world, this is junk', NO_GZIP), headers: gzip },
  { ...push('gzip of three bytes', Buffer.from([0x1f, 0x8b, 8]), NO_GZIP), headers: gzip },
  { ...push('gzip that breaks off', gzipSync(Buffer.alloc(50_000, 'junk')).subarray(0, 15), NO_GZIP), headers: gzip },
  { ...push('gzip with something behind it', Buffer.concat([gzipSync('0000'), Buffer.from('garbage garbage')]), NO_GZIP), headers: gzip },
  { ...push('gzip in capitals', gzipSync('0000'), EMPTY), headers: ['Content-Encoding: GZIP'] },
  { ...push('gzip under its old name', gzipSync('0000'), EMPTY), headers: ['Content-Encoding: x-gzip'] },
  { ...push('gzip in gzip', gzipSync(gzipSync('0000')), NO_CODING), headers: ['Content-Encoding: gzip, gzip'] },
  { ...push('deflate', deflateSync('0000'), NO_CODING), headers: ['Content-Encoding: deflate'] },
  { ...push('a coding that is none', '0000', NO_CODING), headers: ['Content-Encoding: ../x'] },
  fetched('nothing', '', NOTHING),
  fetched('junk', 'junkjunk', NOTHING),
  fetched('a commit that nobody advertised', `${packet(`want ${ONE} ofs-delta\n`)}0000${packet('done\n')}`, NOT_OURS),
  {
    ...fetched('a commit that nobody advertised, in version 2', `${packet('command=fetch')}0001${packet(`want ${ONE}\n`)}${packet('done\n')}0000`, NOT_OURS),
    headers: v2,
  },
  { ...fetched('a command that there is not', `${packet('command=evil')}0000`, NOTHING), headers: v2 },
  { ...fetched('a ref of ours by name', `${packet('command=fetch')}0001${packet('want-ref refs/lockgate/pushes/1\n')}0000`, /^$|ERR|unknown/), headers: v2 },
  fetched('a filter that nobody offered', `${packet(`want ${ONE} filter\n`)}${packet('filter blob:none')}0000`, /^$|ERR/),
  fetched('a depth below nothing', `${packet(`want ${ONE}\n`)}${packet('deepen -1')}0000`, /^$|ERR/),
  fetched('a depth that no number holds', `${packet(`want ${ONE}\n`)}${packet(`deepen ${'9'.repeat(30)}`)}0000`, /^$|ERR/),
  { ...fetched('gzip that is none', 'junkjunk', NO_GZIP), headers: gzip },
  { ...fetched('a protocol that is a program', '0000', EMPTY), headers: ['Git-Protocol: version=2:$(id)'] },
  { ...fetched('a protocol of 10 kB', '0000', EMPTY), headers: [`Git-Protocol: ${'version=2:'.repeat(1_000)}`] },
]

/** Paths under `/git` that lead to no repository, with the status. */
export const GIT_PATHS: readonly (readonly [path: string, status: number])[] = [
  ['/git/target.git/HEAD', 404],
  ['/git/target.git/config', 404],
  ['/git/target.git/objects/info/packs', 404],
  ['/git/target.git/hooks/proc-receive', 404],
  ['/git/target.git/info/refs', 403],
  ['/git/target.git/info/refs?service=git-upload-archive', 403],
  ['/git/target.git/info/refs?service=upload-pack', 403],
  ['/git/target.git/info/refs?service=git-upload-pack%00', 403],
  ['/git/target.git/info/refs?service=git-upload-pack&service=git-receive-pack', 403],
  ['/git/target.git/info/refs?service[]=git-upload-pack', 403],
  ['/git/target.git/info/refs?service=--exec=id', 403],
  ['/git/..%2f..%2fetc/info/refs?service=git-upload-pack', 404],
  ['/git/target.git.git/info/refs?service=git-upload-pack', 404],
  ['/git/TARGET.git/info/refs?service=git-upload-pack', 404],
  ['/git/__proto__/info/refs?service=git-upload-pack', 404],
  ['/git/constructor.git/info/refs?service=git-upload-pack', 404],
  ['/git/.git/info/refs?service=git-upload-pack', 404],
  ['/git/target%00.git/info/refs?service=git-upload-pack', 404],
  ['/git/-x.git/info/refs?service=git-upload-pack', 404],
  ['/git/target.git/../target.git/info/refs?service=git-upload-pack', 404],
]

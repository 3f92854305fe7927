// Hostile inputs, each with what its refusal says.

/** URLs that are no place to fetch code from. */
export const URLS: readonly (readonly [string, RegExp])[] = [
  ['file:///etc', /\[source\.url_refused\]/],
  ['/etc/passwd', /\[source\.url_refused\]/],
  ['../../x.git', /\[source\.url_refused\]/],
  ['ext::sh -c touch% /tmp/pwned', /\[source\.url_refused\]/],
  ['ext::sh', /\[source\.url_refused\]/],
  ['fd::17', /\[source\.url_refused\]/],
  ['git://example.net/x.git', /\[source\.url_refused\]/],
  ['ftp://example.net/x.git', /\[source\.url_refused\]/],
  ['javascript:alert(1)', /\[source\.url_refused\]/],
  ['gopher://127.0.0.1:6379/_FLUSHALL', /\[source\.url_refused\]/],
  ['https://', /\[source\.url_refused\]/],
  ['https://example.net', /\[source\.url_refused\]/],
  ['https://user:password@example.net/x.git', /\[source\.url_refused\]/],
  ['https://token@example.net/x.git', /\[source\.url_refused\]/],
  ['https://example.net/x.git?token=1', /\[source\.url_refused\]/],
  ['https://example.net/x.git#main', /\[source\.url_refused\]/],
  ['https://example.net/../../x.git%00', /\[source\.(url_refused|unreachable|not_found|not_allowed)\]|\[address\./],
  ['https://exa mple.net/x.git', /\[source\.url_refused\]/],
  ['https://example.net/x.git\nhttps://other.net', /\[source\.url_refused\]/],
  ['https://example.net\\@127.0.0.1/x.git', /\[source\.url_refused\]/],
  ['ssh://-oProxyCommand=touch%20pwned/x.git', /\[source\.url_refused\]/],
  ['ssh://git@-oProxyCommand=x/y.git', /\[source\.url_refused\]/],
  ['-oProxyCommand=x:y', /\[source\.url_refused\]|unknown option/],
  ['git@-oProxyCommand=x:y.git', /\[source\.url_refused\]/],
  ['ssh://-l@example.net/x.git', /\[source\.url_refused\]/],
  ['ssh://git@example.net:0/x.git', /\[source\.url_refused\]/],
  ['ssh://git@example.net:99999/x.git', /\[source\.url_refused\]/],
  ['git@example.net:--upload-pack=x', /\[source\.url_refused\]/],
  ['git@example.net:-x', /\[source\.url_refused\]/],
  ['https://example.net/$(id).git', /\[source\.url_refused\]/],
  ['https://example.net/`id`.git', /\[source\.url_refused\]/],
  [`https://example.net/${'x'.repeat(990)}`, /\[source\.url_refused\]|\[request\.invalid\]/],
]

/** Names of refs that nobody pushes to. */
export const REFS: readonly string[] = [
  'refs/lockgate/pushes/1',
  'refs/lockgate/uploads/x',
  'refs/notes/x',
  'refs/pull/1/head',
  'refs/changes/01/1/1',
  'refs/meta/config',
  'refs/replace/x',
  'refs/heads/a..b',
  'refs/heads/.hidden',
  'refs/heads/a.lock',
  'refs/heads/a b',
  'refs/heads/a~1',
]

/** Names that git allows, whatever a shell or a terminal would make of them: they are kept, and deploy nothing. */
export const KEPT_REFS: readonly string[] = [
  'refs/tags/@acme/web@1.4.0',
  'refs/tags/web@1.2.0',
  'refs/heads/fix/#42',
  'refs/heads/feat(api)',
  'refs/heads/feature/ünï',
  'refs/heads/-x',
  'refs/heads/$(id)',
  'refs/heads/`id`',
  'refs/heads/a;b',
  'refs/heads/a|b&c',
  "refs/heads/it's",
  'refs/tags/"quoted"',
  'refs/tags/-x',
  'refs/tags/日本🚀',
  'refs/tags/line\u2028separator',
  'refs/tags/steers\u009b31m',
  'refs/tags/%2e%2e%2f',
]

/** Names of images that are none of this app's, or lead the engine where it is not to go. */
export const IMAGES: readonly (readonly [string, RegExp])[] = [
  ...['0', '1', '2', '9', 'a', 'ab', '94', '943', 'deadbeef'].map((name) => [name, /\[image\.(not_found|registry_unreachable|pull_failed)\]/] as const),
  ...[
    '127.0.0.1:9/x',
    '127.0.0.1:22/x/y:1',
    'localhost:9911/x',
    '10.0.0.1/x',
    '172.17.0.1:2375/x',
    '192.168.0.1:80/x',
    '169.254.169.254/latest:1',
    '0.0.0.0:80/x',
  ].map((name) => [name, /\[image\.registry_not_allowed\]/] as const),
  ...[
    '127.1:80/x',
    '[::1]:80/x',
    'x@sha256:12',
    'X',
    '-x',
    '--help',
    '../x',
    'a//b',
    'x y',
    'x;id',
    '$(id)',
    'x\ny',
    'sha256:ab',
    'file:///etc/passwd',
    'http://127.0.0.1/x',
    'x:',
    'x@',
  ].map(
    (name) =>
      [name, /\[(image\.(invalid_reference|registry_not_allowed|not_found|registry_unreachable|pull_failed)|request\.invalid)\]|unknown option/] as const,
  ),
]

/** Where submodules may not come from. */
export const SUBMODULES: readonly (readonly [string, RegExp])[] = [
  ['file:///etc', /file is not https or ssh/],
  ['/srv/git/other.git', /only https/],
  ['ext::sh', /only https|is not https|no path|no hostname/],
  ['./elsewhere.git', /is relative/],
  ['../../other.git', /is relative/],
  ['git://example.net/x.git', /git is not https or ssh/],
  ['https://user:secret@example.net/x.git', /holds a user name or a password/],
  ['http://127.0.0.1/x.git', /an address of an inner network/],
  ['http://169.254.169.254/x.git', /an address of an inner network/],
  ['ssh://git@-oProxyCommand=x/y.git', /that is no hostname/],
  ['-u./payload', /only https|no hostname|no path/],
  ['https://example.net/$(id).git', /that is no path/],
]

const anchors = [
  'a: &a [x,x,x,x,x,x,x,x,x]',
  ...'bcdefghi'.split('').map((name, at) => `${name}: &${name} [${Array.from({ length: 9 }, () => `*${'abcdefghi'[at]}`).join(',')}]`),
]

/** Manifests, with part of what is said of them. */
export const MANIFESTS: readonly (readonly [string, string, RegExp])[] = [
  ['a billion laughs', `${anchors.join('\n')}\n`, /lockgate\.yaml:/],
  ['an alias', 'port: &p 8080\nhealth: {path: *p}\n', /aliases/],
  ['a thousand levels', `${'['.repeat(5_000)}`, /lockgate\.yaml|larger|build failed/],
  ['more than 64 KiB', `# ${'x'.repeat(70_000)}\n`, /larger than 64 KiB/],
  ['a key twice', 'port: 1\nport: 2\n', /twice/],
  ['a tag of its own', 'port: !!js/function "function(){}"\n', /lockgate\.yaml:1/],
  ['a merge of another map', 'base: &b {port: 1}\n<<: *b\n', /lockgate\.yaml/],
  ['__proto__', '__proto__: {port: 8080}\n', /there is no key "__proto__"/],
  ['constructor', 'constructor: {prototype: {port: 1}}\n', /there is no key "constructor"/],
  ['a port that is none', 'port: 99999\n', /lockgate\.yaml:1:1: port/],
  ['a publish folder that climbs', 'build: {publish: ../../etc}\n', /build\.publish/],
  ['an absolute publish folder', 'build: {publish: /etc}\n', /build\.publish/],
  ['memory without end', 'build: {memory: 99999999999GB}\n', /build\.memory/],
  ['time without end', 'build: {timeout: 9999999999h}\n', /build\.timeout/],
  ['an image that is none', 'build: {kind: node, builder: "$(id)"}\n', /build\.builder|not an image|does not name an image/],
  ['a strategy that is none', 'strategy: yolo\n', /strategy/],
  ['no YAML at all', '\u0000\u0001\u0002', /lockgate\.yaml|build failed/],
  ['only a list', '- a\n- b\n', /lockgate\.yaml/],
]

/** Recipes of `make build`, with part of what is said of what they leave. */
export const MAKEFILES: readonly (readonly [string, string, RegExp])[] = [
  ['no archive', 'true', /left no code\.tar\.gz/],
  ['a folder for an archive', 'mkdir code.tar.gz', /is a directory, not a file/],
  ['a link for an archive', 'ln -s /etc/passwd code.tar.gz', /is a symlink, not a file|no gzip|cannot be used/],
  ['a pipe for an archive', 'mkfifo code.tar.gz', /is a fifo, not a file|cannot be used|not a file/],
  ['text for an archive', 'echo hello > code.tar.gz', /no gzip file|cannot be read/],
  ['an empty file for an archive', ': > code.tar.gz', /no gzip file|cannot be read|damaged|empty|cannot be used|holds no file/],
  [
    'half an archive',
    'head -c 100000 /dev/urandom > x && tar -czf t x && head -c 5000 t > code.tar.gz',
    /cannot be read|damaged|unexpected end|cannot be used/,
  ],
  ['links that lead out', 'ln -s /etc x && tar -czf code.tar.gz x', /which is outside/],
  ['paths that climb', 'touch x && tar -czPf code.tar.gz --transform=s,x,../../x, x', /leads outside/],
  ['absolute paths', 'touch x && tar -czPf code.tar.gz --transform=s,x,/etc/x, x', /leads outside/],
  ['a pipe in it', 'mkfifo x && tar -czf code.tar.gz x', /which is a fifo/],
  ['the same file twice', 'touch x && tar -cf t x x  && tar -rf t x && gzip -c t > code.tar.gz', /twice/],
  ['another one inside', 'touch x && tar -czf x.tar.gz x && gzip -c x.tar.gz > code.tar.gz', /cannot be read|no gzip|cannot be used/],
]

/** Dockerfiles, with part of what is said of them. */
export const DOCKERFILES: readonly (readonly [string, string, RegExp])[] = [
  ['is empty', '', /build failed|does not say|FROM/],
  ['begins from nothing there is', 'FROM registry.invalid/none:1\n', /registry\.invalid\/none:1/],
  ['asks for rights', 'FROM lockgate/base\nRUN --security=insecure id\n', /build failed|exited|security/],
  ['mounts the engine', 'FROM lockgate/base\nRUN --mount=type=bind,source=/var/run/docker.sock,target=/s.sock ls /s.sock\n', /build failed|exited/],
  ['copies from outside', 'FROM lockgate/base\nCOPY ../../../../etc/passwd /x\n', /build failed|exited|no such|not found/],
  ['climbs with a context', 'FROM lockgate/base\nADD /../../etc/shadow /x\n', /build failed|exited|no such|not found/],
  ['begins from an image of another app', 'FROM lockgate-x/other:1\n', /build failed|lockgate-x/],
  ['makes a device', 'FROM lockgate/base\nUSER root\nRUN mknod /d b 8 0 && cat /d\n', /build failed|exited/],
  ['mounts what it likes', 'FROM lockgate/base\nUSER root\nRUN mount -t proc proc /mnt && false\n', /build failed|exited/],
  ['is no Dockerfile', 'hello there\n', /build failed|FROM|understood|exited/],
  ['adds from an inner network', 'FROM lockgate/base\nADD http://169.254.169.254/latest /x\n', /build failed|exited/],
]

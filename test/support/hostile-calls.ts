// Well-formed requests with hostile values, with the status and code of their refusal.

export interface CallRow {
  readonly method: string
  readonly path: string
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  readonly status: number
  readonly code: string
}

const APP = '/v1/apps/target'
const HERE = `${APP}/environments/production`
const invalid = { status: 422, code: 'request.invalid' } as const
const refused = (code: string, status = 422) => ({ status, code })

const get = (path: string, answer: { readonly status: number; readonly code: string } = invalid): CallRow => ({ method: 'GET', path, ...answer })
const post = (path: string, body: unknown, answer: { readonly status: number; readonly code: string } = invalid): CallRow => ({
  method: 'POST',
  path,
  body,
  ...answer,
})
const patch = (path: string, body: unknown, answer: { readonly status: number; readonly code: string } = invalid): CallRow => ({
  method: 'PATCH',
  path,
  body,
  ...answer,
})

const paths: readonly CallRow[] = [
  get('/v1/apps/__proto__'),
  get('/v1/apps/TARGET'),
  get('/v1/apps/target%00'),
  get('/v1/apps/%2e%2e%2ftarget'),
  get('/v1/apps/target%0d%0aX-Evil:%201'),
  get('/v1/apps/tar%E2%80%AEget'),
  get('/v1/apps/t%C3%A0rget'),
  get('/v1/apps/ta\u0433get'.replace('\u0433', '%D0%B3')),
  get(`/v1/apps/${'a'.repeat(400)}`),
  get(`/v1/apps/${'a'.repeat(501)}`),
  get('/v1/apps/%ff'),
  get('/v1/apps/%zz'),
  get('/v1/apps/constructor', refused('app.not_found', 404)),
  get(`${APP}/environments/__proto__`),
  get(`${APP}/environments/constructor`, refused('environment.not_found', 404)),
  get('/v1/deployments/d-%00'),
  get('/v1/deployments/constructor', refused('deployment.not_found', 404)),
  get(`/v1/builds/${'b'.repeat(65)}`),
  get('/v1/one-offs/..', refused('route.not_found', 404)),
  { method: 'DELETE', path: '/v1/registries/%2e%2e%2f', ...refused('registry.not_found', 404) },
  { method: 'DELETE', path: '/v1/tokens/k-%27%20or%201=1', ...invalid },
  { method: 'DELETE', path: '/v1/health', ...refused('route.not_found', 404) },
  { method: 'PUT', path: APP, ...refused('route.not_found', 404) },
  get('/v1//health', refused('route.not_found', 404)),
  get('/V1/health', refused('route.not_found', 404)),
  get('/v1/health/', refused('route.not_found', 404)),
]

const queries: readonly CallRow[] = [
  ...['0', '-1', '1001', '1.5', '1e1', '0x10', '%201', '+1', '', 'NaN', 'Infinity', 'null', 'true', '9007199254740993', '%D9%A3'].map((limit) =>
    get(`/v1/events?limit=${limit}`),
  ),
  get('/v1/events?limit=1&limit=2'),
  get('/v1/events?limit[]=1'),
  get('/v1/events?lmit=1'),
  get('/v1/events?__proto__=1'),
  get('/v1/events?after=-0'),
  get('/v1/events?after=1000000000001'),
  get('/v1/events?app=__proto__'),
  get('/v1/apps?project=other'),
  get(`${APP}?environment=production`),
  get(`${HERE}/deployments?status=failed`),
  get(`${HERE}/logs?lines=10001`),
  get(`${HERE}/logs?lines=-1`),
  get(`${HERE}/logs?line=5`),
  get(`${HERE}/logs?lines=1&search=x`),
  get(`${HERE}/config?revision=0`),
  get(`${HERE}/config?revision=999999999999`, refused('config.no_revision', 404)),
  get('/v1/builds?status=constructor'),
  get('/v1/builds?status=failed&status=queued'),
  get(`${APP}/detect?ref=release/*`, refused('ref.invalid')),
  get(`${APP}/detect?ref=--upload-pack=x`),
  get(`${APP}/detect?ref=main%00`),
  get(`${APP}/detect?ref=a..b`),
  { method: 'DELETE', path: `${HERE}/domains`, ...invalid },
  { method: 'DELETE', path: `${HERE}/domains?host=shop.example.net&path=/a/../b`, ...invalid },
  { method: 'DELETE', path: `${HERE}/domains?host=never.example.net`, ...refused('domain.not_found', 404) },
  { method: 'DELETE', path: `${HERE}/domains?host=target.localhost`, ...refused('domain.generated', 409) },
]

const places: readonly CallRow[] = ['abc', '-1', '1.5', '1e3', '0x1', '1, 2', '9007199254740993', 'NaN'].map((id) => ({
  ...get('/v1/events/stream'),
  headers: { 'last-event-id': id },
}))

const names: readonly CallRow[] = [
  ...['', ' ', '-x', '.x', 'a/b', 'a\nb', 'a\u202eb', 'a\u200bb', '\u0301a', '<script>', 'a;b', 'x'.repeat(101), 7, null, ['a'], { a: 1 }].map((name) =>
    post('/v1/tokens', { name, role: 'viewer' }),
  ),
  ...[
    'lockgate',
    'LOCKGATE',
    'lock gate',
    'lock-gate',
    '\uff4c\uff4f\uff43\uff4b\uff47\uff41\uff54\uff45',
    'l\u00f6ckgate',
    'Root',
    'sign in code',
    'system.',
  ].map((name) => post('/v1/tokens', { name, role: 'viewer' }, refused('token.name_reserved'))),
  post('/v1/tokens', { name: 'ada@vm', role: 'viewer' }, refused('token.name_reserved')),
  post('/v1/tokens', { name: 't', role: 'root' }),
  post('/v1/tokens', { name: 't', role: 'constructor' }),
  ...[-1, 0.5, 3651, 1e308, '90', null].map((days) => post('/v1/tokens', { name: 't', role: 'viewer', days })),
  post('/v1/tokens', { name: 't', role: 'viewer', days: 0 }, refused('token.invalid_days')),
  post('/v1/tokens', { name: 't', role: 'viewer', project: '__proto__' }, refused('project.not_found', 404)),
  post('/v1/tokens', { name: 't', role: 'viewer', project: 'no\u202eone' }, refused('project.not_found', 404)),
  post('/v1/tokens', { name: 't\ud800', role: 'viewer' }),
  ...[
    '',
    'A',
    '1a',
    'a-',
    '-a',
    'a--b',
    'a.b',
    'a_b',
    'xn--a',
    'a'.repeat(40),
    'shop ',
    'sh\u00f6p',
    'lockgate',
    'production',
    'localhost',
    'www',
    'constructor\0',
  ].map((name) => post('/v1/apps', { name })),
  ...['Production', 'a'.repeat(21), 'a-', 'st\u0430ging', ''].map((name) => post(`${APP}/environments`, { name, branch: 'x' })),
  ...['', '-x', 'a b', 'a..b', 'a~1', 'a^', 'a:b', 'a?', 'a[', 'a\\b', '.a', 'a.lock', 'a/', '@{-1}', 'a*b*c*d*e*f', '\ud800', 'x'.repeat(201)].map((branch) =>
    post(`${APP}/environments`, { name: 'staging', branch }),
  ),
  ...['..', '/etc', 'a/../b', '.git', 'a/.git/b', 'a//b', 'a b', 'a\\b', 'a\u0000', '\u0430'].map((root) => patch(APP, { root })),
  ...['/x', 'a/../b', 'a\\b', 'a\nb', '', '**/**/**/**/**/x'].map((path) => patch(APP, { watch: [path] })),
  patch(APP, { watch: Array.from({ length: 51 }, () => 'a') }),
]

const hosts: readonly CallRow[] = [
  ...[
    'Shop.example.net',
    'shop.example.net.',
    '.shop.example.net',
    'shop..example.net',
    'shop.example.net:80',
    'http://shop.example.net',
    'shop.example.net/x',
    'user@shop.example.net',
    'sh\u00f6p.example.net',
    '\u30b7\u30e7\u30c3\u30d7.example',
    'shop_x.example.net',
    '-shop.example.net',
    'shop-.example.net',
    `${'a'.repeat(64)}.example.net`,
    `${'a.'.repeat(126)}aa`,
    '*.*.example.net',
    'a.*.example.net',
    '*example.net',
    '*',
    '*.',
    '',
    '[::1]',
    'shop.example.net\n',
    'shop.example.net\u0000',
    'shop\u3002example.net',
    'shop.example.net%00',
  ].map((host) => post(`${HERE}/domains`, { host })),
  ...['target.localhost', 'other.localhost', '*.localhost', 'localhost', 'a.b.localhost'].map((host) =>
    post(`${HERE}/domains`, { host }, refused('domain.reserved')),
  ),
  ...['', 'x', '/x/', '/a//b', '/../x', '/a/./b', '/a b', '/a%2e', '/a?b', '/a#b', '/\u00fc', `/${'x'.repeat(200)}`].map((path) =>
    post(`${HERE}/domains`, { host: 'shop.example.net', path }),
  ),
]

const values: readonly CallRow[] = [
  ...['', '1A', 'A-B', 'A.B', 'A B', 'A=B', 'A\nB', '\u00c4', 'LOCKGATE_X', 'lockgate_x', 'PORT', 'A\u0000', 'x'.repeat(201)].map((key) =>
    patch(`${HERE}/config`, { set: { [key]: 'x' } }),
  ),
  ...[1, null, true, ['x'], { a: 1 }, 'a\ud800b', 'a\udc00', 'a\u0000b'].map((value) => patch(`${HERE}/config`, { set: { A: value } })),
  patch(`${HERE}/config`, { set: { A: 'x'.repeat(65_537) } }, refused('config.value_too_large')),
  patch(`${HERE}/config`, { set: Object.fromEntries(Array.from({ length: 501 }, (_, at) => [`K${at}`, 'x'])) }, refused('config.too_many_keys')),
  patch(`${HERE}/config`, {}, refused('config.nothing_changed')),
  patch(`${HERE}/config`, { unset: ['NEVER_SET'] }, refused('config.no_such_key')),
  patch(`${HERE}/config`, { unset: ['constructor'] }, refused('config.no_such_key')),
  patch(`${HERE}/config`, { unset: ['__proto__'] }),
  patch(`${HERE}/config`, { set: { A: 'x' }, unset: ['A'] }),
  patch(`${HERE}/config`, { set: { A: 'x' }, secret: ['B'] }),
  patch(`${HERE}/config`, { set: { A: 'x' }, secret: true }),
  patch(`${HERE}/config`, { set: { A: 'x' }, secrets: ['A'] }),
  patch(`${HERE}/config`, { set: [['A', 'x']] }),
  post(`${HERE}/config/revoke`, { key: 'constructor', version: 1 }, refused('secret_version.not_found', 404)),
  ...[0, -1, 1.5, 1e13, '1', null].map((version) => post(`${HERE}/config/revoke`, { key: 'A', version })),
]

const deployments: readonly CallRow[] = [
  ...[0, -1, 1.5, 1001, 1e308, '2', null, [2]].map((count) => post(`${HERE}/deployments`, { verb: 'scale', count })),
  ...[0, -1, 1.5, 1e13, 'r1', null].map((to) => post(`${HERE}/deployments`, { verb: 'rollback', to })),
  ...['constructor', '', 'DEPLOY', null, 7, ['stop']].map((verb) => post(`${HERE}/deployments`, { verb })),
  post(`${HERE}/deployments`, { verb: 'stop', count: 1 }),
  post(`${HERE}/deployments`, { verb: 'restart', force: true }),
  post(`${HERE}/deployments`, { verb: 'stop', plan: 'yes' }),
  post(`${HERE}/deployments`, { verb: 'deploy', image: 'x:1', ref: 'main' }),
  post(`${HERE}/deployments`, { verb: 'deploy', image: 'x:1', rebuild: true }),
  post(`${HERE}/deployments`, { verb: 'deploy', manifest: 'port: 80\n' }),
  post(`${HERE}/deployments`, { verb: 'deploy', ref: 'main', manifest: 'port: 80\n' }),
  post(`${HERE}/deployments`, { verb: 'deploy', ref: 'x'.repeat(256) }),
  post(`${HERE}/deployments`, { verb: 'deploy', image: 'x'.repeat(501) }),
  post(`${HERE}/promotions`, { from: 'production' }, refused('promotion.same_environment', 409)),
  post(`${HERE}/promotions`, { from: 'constructor' }, refused('environment.not_found', 404)),
  ...[[], [7], 'id', [['id']], ['a\u0000b'], ['a\ud800'], ['x'.repeat(4001)], Array.from({ length: 201 }, () => 'x')].map((command) =>
    post(`${HERE}/one-offs`, { command }),
  ),
  ...['not base64', 'aGVsbG8', 'aGVs_G8=', '=', 7].map((input) => post(`${HERE}/one-offs`, { command: ['cat'], input })),
  ...[[''], ['', 'x']].map((command) => post(`${HERE}/one-offs`, { command })),
  ...['always', true, 1, ''].map((verify) => patch(HERE, { verify })),
  ...['protectd', 'PROTECTED', null, 3].map((trust) => patch(HERE, { trust })),
  ...[
    { kind: 'yolo' },
    'rolling',
    { kind: 'rolling', surge: 33 },
    { kind: 'rolling', hold: '1s' },
    { kind: 'recreate', hold: '601s' },
    { kind: 'recreate', hold: '-1s' },
    { kind: 'recreate', hold: 5 },
    { kind: 'canary', soak: '99ms' },
    { kind: 'canary', soak: '999999999h' },
    { kind: 'canary', steps: [] },
    { kind: 'canary', steps: [50, 50] },
    { kind: 'canary', steps: [1.5] },
    { kind: 'canary', steps: Array.from({ length: 11 }, (_, at) => at + 1) },
    { kind: 'canary', sticky: { header: 'X: y' } },
    { kind: 'canary', sticky: { header: 'a\r\nb' } },
    { kind: 'canary', least: 0 },
  ].map((strategy) => patch(HERE, { strategy })),
]

const sources: readonly CallRow[] = [
  ...[9, 86_401, 60.5, '60', -1].map((everySeconds) => post(`${APP}/source`, { url: 'https://example.net/x.git', everySeconds })),
  post(`${APP}/source`, { url: 'https://example.net/x.git', token: 'aaaa', newKey: true }),
  post(`${APP}/source`, { url: 'https://example.net/x.git', token: 'aaaa', key: 'x' }),
  post(`${APP}/source`, { url: 'https://example.net/x.git', username: 'ada' }),
  post(`${APP}/source`, { url: 'https://example.net/x.git', username: 'a:b', token: 'aaaa' }),
  post(`${APP}/source`, { url: 'https://example.net/x.git', hostKey: 'SHA256:x' }),
  post(`${APP}/source`, { url: 'https://example.net/x.git', hostKey: `SHA256:${'a'.repeat(43)}` }, refused('source.credential_refused')),
  post(`${APP}/source`, { url: 'https://example.net/x.git', token: 'a b\r\nX: y' }, refused('source.credential_refused')),
  post(`${APP}/source`, { url: 'https://example.net/x.git', key: 'x' }, refused('source.credential_refused')),
  post(`${APP}/source`, { url: 'git@example.net:x.git', token: 'aaaa' }, refused('source.credential_refused')),
  post(`${APP}/source`, { url: 'https://example.net/x.git', submodules: Array.from({ length: 51 }, () => 'https://example.net/y.git') }),
  post(`${APP}/source`, { url: 'https://example.net/x.git', submodules: ['file:///etc'] }, refused('source.url_refused')),
  ...['', 'A.b', 'a.b/c', 'http://a.b', 'a.b:', 'a.b:123456', '-a.b', 'a..b', 'a b', '[::1]:5000', '\u00fc.b', `${'a'.repeat(260)}`].map((host) =>
    post('/v1/registries', { host, username: 'u', password: 'p' }, host === '' ? invalid : refused('registry.invalid')),
  ),
  ...['', 'a b', 'a:b'].map((username) => post('/v1/registries', { host: 'a.b', username, password: 'p' }, refused('registry.invalid'))),
  ...['', 'a\nb'].map((password) => post('/v1/registries', { host: 'a.b', username: 'u', password }, refused('registry.invalid'))),
  post('/v1/registries', { host: 'a.b', username: 'u\u0000', password: 'p' }),
  post('/v1/registries', { host: 'a.b', username: 'u\ud800', password: 'p' }),
  post('/v1/registries', { host: 'a.b:0', username: 'u', password: 'p' }, refused('registry.invalid')),
  post('/v1/registries', { host: 'a.b:99999', username: 'u', password: 'p' }, refused('registry.invalid')),
  post('/v1/registries', { host: 'a.b', username: 'u\u001b[31m', password: 'p' }, refused('registry.invalid')),
]

export const CALLS: readonly CallRow[] = [...paths, ...queries, ...places, ...names, ...hosts, ...values, ...deployments, ...sources]

/** Hostnames that need an administrator of the installation. */
export const HOSTS_OF_ADMINS: readonly string[] = [
  'com',
  '*.com',
  'co.uk',
  '*.co.uk',
  'github.io',
  '*.github.io',
  'xn--p1ai',
  '*.xn--p1ai',
  'xn--55qx5d.cn',
  'foo.ck',
  '*.ck',
  'kawasaki.jp',
  '*.kawasaki.jp',
  's3.amazonaws.com',
  '127.0.0.1',
  '1.2.3',
  '127.1',
  '2130706433',
  '0x7f.1',
  '0177.0.0.1',
  'a.1',
  'shop.0x',
  '*.1.2.3',
  'intranet',
  'metadata',
  'broadcasthost',
]

// One machine from nothing to nothing, in this order: what the README says, typed as it stands there; a reboot; power cuts; down and
// clean; then an old release that is upgraded under requests. Each test needs what the ones before it left.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { pause } from '../../src/lib/clock.ts'
import { run } from '../../src/lib/run.ts'
import { ROOT } from '../../tools/setup/places.ts'
import type { Counts } from '../support/count-requests.ts'
import { aMachine, type Machine, whyNoMachine } from '../support/machine.ts'
import { proxies } from '../support/machine-image.ts'
import {
  answerOf,
  containersOnMachine,
  type DeploymentView,
  doctorIsFine,
  newestDeployment,
  oursInEngine,
  pageOf,
  production,
  REPAIR_MS,
  type ReleaseView,
  releaseOn,
  secondsUntilAnswer,
  secondsUntilServer,
  wantedContainers,
} from '../support/on-machine.ts'
import { note, tell } from '../support/proof.ts'
import { seededRandom } from '../support/random.ts'
import { until } from '../support/until.ts'

/** bin/up on a machine in emulation, packages and base images included. */
const SET_UP_MS = 5_400_000
const PUSH_MS = 900_000
/** The release that an installation is upgraded from. */
const OLD = '29aebb3'
const CUTS = Number(process.env['LOCKGATE_CUTS'] ?? 20)
const SEED = Number(process.env['LOCKGATE_SEED'] ?? Date.now() % 1_000_000)
const STRATEGIES = { rolling: 'rolling', recreate: 'recreate', canary: 'canary --steps 50 --soak 2s --least 1' } as const
const UNITS = ['lockgate.service', 'lockgate-edge.service', 'lockgate-edge.socket', 'docker.service']
const APPS = ['hello', 'shop']

let machine: Machine
/** Why nothing is tested; null: it is. */
let reason: string | null = whyNoMachine()
/** Without this the others have nothing to ask. */
const FIRST = 'bin/up sets everything up and the sample app answers'
let head: string
let isSetUp = false

beforeAll(async () => {
  if (reason !== null) return
  reason = await unreachable('this host', (url) => run('curl', ['-sSfIL', '--max-time', '30', '-o', '/dev/null', url], { anyStatus: true, env: proxies() }))
  if (reason !== null) return
  machine = await aMachine()
  reason = await unreachable('the machine', (url) => machine.type(`curl -sSfIL --max-time 60 -o /dev/null ${url}`, { anyStatus: true }))
  head = (await run('git', ['rev-parse', 'HEAD'], { cwd: ROOT })).stdout.trim()
})

beforeEach(({ task, skip }) => {
  if (reason !== null) skip(reason)
  if (task.name !== FIRST && !isSetUp) skip('bin/up failed')
})

afterAll(async () => {
  if (reason !== null) process.stderr.write(`machines: not run, for ${reason}\n`)
  await machine?.stop()
})

/** Says what cannot be reached from here, and how curl put it; null: both registries answer. */
async function unreachable(from: string, ask: (url: string) => Promise<{ readonly status: number; readonly stderr: string }>): Promise<string | null> {
  for (const url of ['http://deb.debian.org/debian/dists/trixie/InRelease', 'https://registry.npmjs.org/npm']) {
    const { status, stderr } = await ask(url)
    if (status !== 0) return `${from} does not reach ${url}: ${stderr.trim()}`
  }
  return null
}

async function sendCheckout(): Promise<void> {
  const { bytes } = await run('git', ['bundle', 'create', '-', 'HEAD'], { cwd: ROOT })
  await machine.type('cat >lockgate.bundle', { input: bytes })
}

describe('a new user on a fresh machine', () => {
  test(FIRST, async ({ task }) => {
    await sendCheckout()

    const began = performance.now()
    const { stdout } = await machine.type('git clone -q lockgate.bundle lockgate && cd lockgate && bin/up', { timeoutMs: SET_UP_MS })

    tell(task, { 'bin/up s': seconds(began) })
    note(
      task,
      (
        await machine.type('. /etc/os-release; echo "$PRETTY_NAME, kernel $(uname -r), systemd $(systemctl --version | awk \'NR == 1 { print $2 }\')"')
      ).stdout.trim(),
    )
    note(
      task,
      (await machine.type('dockerd --version; haproxy -v | head -n 1 | cut -d " " -f 1-3; stat -fc %T /sys/fs/cgroup')).stdout.trim().split('\n').join(', '),
    )
    isSetUp = true
    expect(stdout).toContain('Lockgate is up (started).')
    expect(await pageOf(machine, 'hello')).toContain('Hello from Node')
    expect((await machine.type('dpkg --get-selections npm nodejs', { anyStatus: true })).stdout.trim()).toBe('')
    await unitsAreActive()
  })

  test('bin/up typed again changes nothing', async ({ task }) => {
    const began = performance.now()
    const { stdout } = await machine.type('cd lockgate && bin/up', { timeoutMs: SET_UP_MS })

    tell(task, { 'bin/up again s': seconds(began) })
    expect(stdout).toContain('Lockgate is up (was up already).')
  })

  test('another person signs in with the code that bin/up --new-code prints', async () => {
    const code = (await machine.type('lockgate/bin/up --new-code')).stdout.trim()
    const ada = 'XDG_CONFIG_HOME=/tmp/ada lockgate'
    expect((await machine.type(`${ada} apps`, { anyStatus: true })).status).toBe(3)

    await machine.type(`${ada} login http://127.0.0.1:7070 --code ${code}`)

    expect((await machine.type(`${ada} apps`)).stdout).toContain('hello')
  })

  test('an app is created and pushed, and answers', async ({ task }) => {
    await machine.type('git config --global user.name Ada && git config --global user.email ada@example.net')
    await machine.type('cp -r lockgate/examples/node-hello ~/shop && cd ~/shop && git init -q -b main && git add -A && git commit -qm "My shop"')
    expect((await machine.type('cd ~/shop && lockgate create shop')).stdout).toContain('The git remote "lockgate" leads to')

    const began = performance.now()
    const { stderr } = await machine.type('cd ~/shop && git push lockgate main', { timeoutMs: PUSH_MS })

    tell(task, { 'git push s': seconds(began) })
    expect(stderr).toContain('live at http://shop.localhost/')
    expect(releaseOn(await pageOf(machine, 'shop'))).toBe('r1')
  })

  test('it is scaled to two', async () => {
    expect((await machine.type('lockgate scale shop 2', { timeoutMs: REPAIR_MS })).stdout).toContain('succeeded')

    expect(await production(machine, 'shop')).toMatchObject({ count: 2, ready: 2 })
  })

  test('a push that listens on another port is refused and says why, and the app serves on', async () => {
    // The README says 5 s, "for the impatient": Node alone takes longer than that to start in emulation.
    const bad = `sed -i 's/process.env.PORT ?? 8080/8081/' server.js && printf 'health: {start_deadline: 40s}\\n' >lockgate.yaml && git add -A && git commit -qm "A mistake"`
    const { status, stderr } = await machine.type(`cd ~/shop && ${bad} && git push lockgate main`, { timeoutMs: PUSH_MS, anyStatus: true })

    expect(status).toBe(1)
    expect(stderr).toContain('[remote rejected] main -> main (deployment failed')
    expect(stderr).toMatch(/hint: .*8081/)
    expect(releaseOn(await pageOf(machine, 'shop'))).toBe('r1')
    await machine.type('cd ~/shop && git reset -q --hard HEAD~1')
  })

  test('config set and rollback move configuration and release together', async () => {
    await machine.type('lockgate config set -a shop GREETING="Good morning"', { timeoutMs: REPAIR_MS })
    expect(await pageOf(machine, 'shop')).toContain('Good morning')

    const { stdout } = await machine.type('lockgate rollback shop', { timeoutMs: REPAIR_MS })

    expect(stdout).toContain('configuration goes back with it: GREETING')
    const page = await pageOf(machine, 'shop')
    expect(page).toContain('Hello from Node')
    expect(releaseOn(page)).toBe('r1')
    expect((await machine.type('lockgate releases shop')).stdout).toMatch(/r3 .*pinned[\s\S]*r2 .*never live[\s\S]*r1 .*live/)
  })

  test('plan, run, stop, start, status, logs, events and doctor say what they should', async () => {
    expect((await machine.type('lockgate plan shop')).status).toBe(0)
    expect((await machine.type('lockgate run shop -- node -p process.env.LOCKGATE_RELEASE')).stdout.trim()).toBe('r1')
    await machine.type('lockgate stop shop', { timeoutMs: REPAIR_MS })
    expect((await machine.type("curl -si -H 'Host: shop.localhost' http://127.0.0.1/ | head -2")).stdout).toMatch(/^HTTP\/1.1 503 [\s\S]*retry-after: 60/)
    await machine.type('lockgate start shop', { timeoutMs: REPAIR_MS })
    expect((await machine.type('lockgate status shop')).stdout).toContain('http://shop.localhost/')
    expect((await machine.type('lockgate logs shop')).stdout).toContain('listening on port')
    expect((await machine.type('lockgate events')).stdout).toContain('shop')
    await doctorIsFine(machine)
  })

  test('everything comes back by itself after a reboot', async ({ task }) => {
    await machine.reboot()

    tell(task, { 'app answers after boot s': await secondsUntilAnswer(machine, APPS), 'server answers after boot s': await secondsUntilServer(machine) })
    await unitsAreActive()
    await doctorIsFine(machine)
    await nothingIsLeft()
  })
})

describe('a power cut in the middle of a deployment', () => {
  const random = seededRandom(SEED)
  const pick = <T>(all: readonly T[]): T => all[Math.floor(random() * all.length)] as T
  /** How long a deployment of each strategy takes when nothing happens. */
  const usual = new Map<string, number>()

  beforeAll(async () => {
    if (!isSetUp) return
    // A canary is judged by requests: somebody comes all the time, also after a boot.
    const visit = 'while :; do curl -s -o /dev/null -m 10 http://shop.localhost/; sleep 0.3; done'
    const unit = `[Service]\nExecStart=/bin/sh -c "${visit}"\nRestart=always\n[Install]\nWantedBy=multi-user.target\n`
    await machine.type('cat >/etc/systemd/system/visitor.service && systemctl daemon-reload && systemctl enable --now visitor', { input: unit })
  })

  test('without one, each strategy brings a new configuration', async ({ task }) => {
    note(task, `seed ${SEED} (LOCKGATE_SEED)`)
    for (const [kind, words] of Object.entries(STRATEGIES)) {
      await machine.type(`lockgate environment set shop production --strategy ${words}`)
      const began = performance.now()
      await machine.type(`lockgate config set -a shop GREETING="by ${kind}"`, { timeoutMs: REPAIR_MS })
      usual.set(kind, seconds(began))
      tell(task, { [`${kind} s`]: usual.get(kind) ?? 0 })
      expect(await pageOf(machine, 'shop')).toContain(`by ${kind}`)
    }
  })

  test.for(Array.from({ length: CUTS }, (_, at) => at + 1))(
    'power cut %i ends with a whole installation and the right release',
    { timeout: 1_200_000 },
    async (round, { task }) => {
      const strategy = pick(Object.keys(STRATEGIES) as (keyof typeof STRATEGIES)[])
      await machine.type(`lockgate environment set shop production --strategy ${STRATEGIES[strategy]}`)
      const before = await production(machine, 'shop')
      const last = await newestDeployment(machine, 'shop')
      const command = await somethingToDo(round, before.count)
      const afterMs = random() * 1_200 * (usual.get(strategy) ?? 30)

      const typed = machine.begin(command)
      typed.stdin?.end()
      typed.on('error', () => undefined)
      const ended = new Promise((resolve) => typed.on('close', resolve))
      await pause(afterMs)
      const wasOver = typed.exitCode !== null
      await machine.cut()
      await ended
      await machine.boot()

      const answered = await secondsUntilAnswer(machine, APPS)
      const server = await secondsUntilServer(machine)
      const hasEnded = async (): Promise<boolean> => (await newestDeployment(machine, 'shop'))?.finishedAt != null
      await until('the deployment has ended', hasEnded, REPAIR_MS)
      const now = await newestDeployment(machine, 'shop')
      const opened = now !== undefined && now.id !== last?.id
      note(task, `${strategy}, ${command}, cut after ${(afterMs / 1_000).toFixed(1)} s: ${describeEnd(now, { opened, wasOver })}`)
      tell(task, {
        cuts: 1,
        'in a deployment': opened && !wasOver ? 1 : 0,
        'app answers after boot s': answered,
        'server answers after boot s': server,
        'went on': opened && now?.status === 'succeeded' ? 1 : 0,
        'went back': opened && now?.status !== 'succeeded' ? 1 : 0,
      })
      await doctorIsFine(machine)
      const after = await production(machine, 'shop')
      const wanted = opened && now?.status === 'succeeded' ? { release: now.release, count: now.wish.count } : { release: before.release, count: before.count }
      expect({ release: after.release, count: after.count }).toEqual(wanted)
      for (let asked = 0; asked < 2 * after.count; asked += 1) expect(releaseOn(await pageOf(machine, 'shop'))).toBe(after.release)
      await nothingIsLeft()
      await unitsAreActive()
    },
  )

  async function somethingToDo(round: number, count: number): Promise<string> {
    const releases = await answerOf<ReleaseView[]>(machine, 'releases shop')
    const back = releases.find((one) => one.liveAt !== null && !one.current && !one.imageRemoved)
    const verb = pick(['config', 'config', 'scale', 'rollback', 'restart'] as const)
    if (verb === 'scale') return `lockgate scale shop ${count === 2 ? 3 : 2}`
    if (verb === 'rollback' && back) return `lockgate rollback shop --to ${back.name}`
    if (verb === 'restart') return 'lockgate restart shop'
    return `lockgate config set -a shop GREETING="round ${round}"`
  }
})

function describeEnd(now: DeploymentView | undefined, { opened, wasOver }: { readonly opened: boolean; readonly wasOver: boolean }): string {
  if (!opened) return 'before a deployment was opened'
  return `${wasOver ? 'after its end, ' : ''}${now?.verb} ${now?.status}${now?.status === 'succeeded' ? '' : ` (${now?.message})`}`
}

describe('down and clean', () => {
  test('bin/down stops everything and keeps the data', async () => {
    await machine.type('cd lockgate && bin/down', { timeoutMs: REPAIR_MS })

    expect((await containersOnMachine(machine)).running).toEqual([])
    expect((await machine.type(`systemctl is-active ${UNITS.slice(0, 3).join(' ')}`, { anyStatus: true })).stdout.trim().split('\n')).not.toContain('active')
    expect((await machine.type('test -s /var/lib/lockgate/data/lockgate.db && echo there')).stdout).toBe('there\n')
  })

  test('bin/clean leaves nothing', async () => {
    await machine.type('cd lockgate && echo remove | bin/clean', { timeoutMs: REPAIR_MS })

    const looks = {
      units: 'systemctl list-unit-files --no-legend "lockgate*"; systemctl list-units --all --no-legend "lockgate*"; ls /etc/systemd/system | grep lockgate',
      processes: 'pgrep -af "/var/lib/lockgate|/etc/lockgate|lockgate/dist"',
      folders: 'ls -d /var/lib/lockgate /etc/lockgate /run/lockgate /var/log/lockgate',
      command: 'ls /usr/local/bin/lockgate',
      firewall: 'nft list ruleset | grep -i lockgate; iptables-save | grep -i lockgate',
      mounts: 'grep lockgate /proc/mounts; losetup --list --noheadings',
    }
    const left: Record<string, string> = {}
    for (const [what, command] of Object.entries(looks)) {
      // pgrep sees the shell that ssh started for it, whose words hold the pattern.
      const { stdout } = await machine.type(`(${command}) 2>/dev/null`, { anyStatus: true })
      const lines = stdout.split('\n').filter((line) => line !== '' && !line.includes('pgrep'))
      if (lines.length > 0) left[what] = lines.join('\n')
    }
    expect(left).toEqual({})
    expect(await oursInEngine(machine)).toEqual({ containers: 0, networks: 0, volumes: 0, images: 0 })
  })
})

describe('an upgrade', () => {
  test(`from ${OLD} in place loses no request`, async ({ task }) => {
    await prepareOld()
    await upOfOld()
    await machine.type('lockgate scale hello 2', { timeoutMs: REPAIR_MS })
    await machine.type('cat >count.ts', { input: readFileSync(join(ROOT, 'test/support/count-requests.ts')) })
    await machine.type('systemd-run --quiet --unit=count /usr/local/bin/node /root/count.ts hello.localhost /root/counts.json')
    const counts = async (): Promise<Counts> => JSON.parse((await machine.type('cat counts.json')).stdout) as Counts
    await until('requests are counted', async () => (await machine.type('test -s counts.json', { anyStatus: true })).status === 0, 60_000)

    const began = performance.now()
    const { stdout } = await machine.type(`cd upgraded && git checkout -qf ${head} && bin/up`, { timeoutMs: SET_UP_MS })
    const took = seconds(began)

    expect(stdout).toContain('Lockgate is up (upgraded to')
    await doctorIsFine(machine)
    const enough = (await counts()).sent + 50
    await until('requests are answered by the new one', async () => (await counts()).sent >= enough, 60_000)
    await machine.type('systemctl stop count')
    const { sent, failed, slowestMs, faults } = await counts()
    tell(task, { 'upgrade s': took, sent, failed, 'slowest ms': slowestMs })
    expect(faults).toEqual([])
    expect(await production(machine, 'hello')).toMatchObject({ state: 'running', count: 2, ready: 2 })
    await unitsAreActive()
    expect((await containersOnMachine(machine)).all).toEqual(await wantedContainers(machine, ['hello']))
  })

  /** A clone of the old release, on a machine where a person has installed Node and npm: the old one would install apt's, 400 packages. */
  async function prepareOld(): Promise<void> {
    await machine.type('cp -a lockgate/node_modules/npm /usr/local/lib/npm && ln -s ../lib/npm/bin/npm-cli.js /usr/local/bin/npm')
    await machine.type('cp -L lockgate/node_modules/.bin/node /usr/local/bin/node')
    // The old one's server, started by systemd, trusted no authorities of the system: SELF_SIGNED_CERT_IN_CHAIN where a registry is
    // reached through a proxy that has a certificate of its own.
    await machine.type(
      `install -d /etc/systemd/system/lockgate.service.d && printf '[Service]\\nEnvironment=NODE_USE_SYSTEM_CA=1\\n' >/etc/systemd/system/lockgate.service.d/authorities.conf`,
    )
    await machine.type(`git clone -q lockgate.bundle upgraded && cd upgraded && git checkout -q ${OLD}`)
    // Its bin/up gave the compiler 60 s and the server 30 s, both less than they need in emulation.
    await machine.type(
      "cd upgraded && sed -i 's/anyStatus: true,/anyStatus: true, timeoutMs: 900_000,/' tools/build.ts && sed -i 's/30_000/240_000/' tools/setup/up.ts",
    )
  }

  /** The old one did not always deploy its sample at the first attempt on this Debian: typed again, it did. It gives a command 5 minutes, and some never end. */
  async function upOfOld(): Promise<void> {
    const up = () => machine.type('cd upgraded && NODE_USE_SYSTEM_CA=1 bin/up', { timeoutMs: SET_UP_MS, anyStatus: true })
    let last = await up()
    for (let typed = 1; typed < 3 && last.status !== 0; typed += 1) last = await up()
    expect(last.stdout + (last.status === 0 ? '' : last.stderr)).toContain('Lockgate is up')
  }
})

async function unitsAreActive(): Promise<void> {
  expect((await machine.type(`systemctl is-active ${UNITS.join(' ')}`, { anyStatus: true })).stdout.trim().split('\n')).toEqual(UNITS.map(() => 'active'))
  expect((await machine.type('systemctl --failed --no-legend')).stdout).toBe('')
}

/** Containers with our label are the instances of releases, and no others. */
async function nothingIsLeft(): Promise<void> {
  let [there, wanted]: [string[], string[]] = [[], ['not asked yet']]
  await until(
    'containers are instances',
    async () => {
      there = (await containersOnMachine(machine)).all
      wanted = await wantedContainers(machine, APPS)
      return there.join() === wanted.join()
    },
    60_000,
  ).catch(() => undefined)
  expect(there).toEqual(wanted)
}

function seconds(began: number): number {
  return Math.round((performance.now() - began) / 1_000)
}

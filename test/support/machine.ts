// A whole machine of a test's own: Debian 13 in QEMU with its own kernel, systemd and disk, whose power can be cut.
import type { ChildProcess } from 'node:child_process'
import { closeSync, openSync, readFileSync, rmSync } from 'node:fs'
import { arch, freemem } from 'node:os'
import { join } from 'node:path'
import { pause } from '../../src/lib/clock.ts'
import { runs } from '../../src/lib/pid-file.ts'
import { signal } from '../../src/lib/processes.ts'
import { detach, launch, type RunResult, run } from '../../src/lib/run.ts'
import { ownFolder } from './folder.ts'
import { freePort } from './haproxy.ts'
import { type Image, makeImage } from './machine-image.ts'
import { until } from './until.ts'

const MEMORY_MB = 3_072
const PROCESSORS = 2
const BOOT_MS = 300_000
const TYPE_MS = 120_000

export interface TypeOptions {
  readonly timeoutMs?: number
  readonly anyStatus?: boolean
  /** What the command reads. */
  readonly input?: string | Uint8Array
}

export interface Machine {
  /** Runs a command line as root over ssh. Throws with its output when it fails. */
  type(command: string, options?: TypeOptions): Promise<RunResult>
  /** Starts a command line as root over ssh; a power cut ends it. */
  begin(command: string): ChildProcess
  /** Cuts the power: what the machine has not written to its disk is lost. */
  cut(): Promise<void>
  /** Switches it on again; returns when it answers over ssh. */
  boot(): Promise<void>
  /** Types `reboot`, and returns when it answers again. */
  reboot(): Promise<void>
  /** Cuts the power and removes its disk. */
  stop(): Promise<void>
}

/** Why no machine can run here, as a sentence; null: one can. */
export function whyNoMachine(): string | null {
  if (arch() !== 'x64') return `a machine is made for x86-64, and this host is ${arch()}`
  if (process.getuid?.() !== 0) return 'the disk of a machine is made by root'
  if (freemem() < (MEMORY_MB + 512) * 1024 ** 2) return `a machine needs ${MEMORY_MB} MB of memory, and ${Math.round(freemem() / 1024 ** 2)} MB are free`
  return null
}

/** Makes a machine and boots it: about two minutes. `stop` it in any case. */
export async function aMachine(): Promise<Machine> {
  const folder = ownFolder('machine')
  let machine: QemuMachine | null = null
  try {
    machine = new QemuMachine(folder, { image: await makeImage(folder), port: await freePort() })
    await machine.boot()
    return machine
  } catch (error) {
    await machine?.cut()
    rmSync(folder, { recursive: true, force: true })
    throw error
  }
}

class QemuMachine implements Machine {
  readonly #folder: string
  readonly #image: Image
  readonly #port: number
  #pid = 0

  constructor(folder: string, how: { readonly image: Image; readonly port: number }) {
    this.#folder = folder
    this.#image = how.image
    this.#port = how.port
  }

  type(command: string, { timeoutMs = TYPE_MS, anyStatus = false, input = '' }: TypeOptions = {}): Promise<RunResult> {
    return run('ssh', this.#ssh(command), { timeoutMs, input, anyStatus: true }).then((result) => {
      if (result.status !== 0 && !anyStatus) throw new Error(`${command}\nexited with ${result.status}:\n${(result.stdout + result.stderr).slice(-4_000)}`)
      return result
    })
  }

  begin(command: string): ChildProcess {
    return launch('ssh', this.#ssh(command))
  }

  async cut(): Promise<void> {
    if (!this.#isOn()) return
    signal(this.#pid, 'SIGKILL')
    await until('the machine is off', () => !this.#isOn())
  }

  async boot(): Promise<void> {
    const { disk, kernel, initrd } = this.#image
    const log = openSync(join(this.#folder, 'console.log'), 'a')
    // Software emulation: hardware virtualisation is often not there, or there and broken, where the host is a virtual machine itself.
    // Without protection keys and a fifth level of page tables, which cost V8 a third of its speed in emulation.
    const words = ['-accel', 'tcg,thread=multi,tb-size=1024', '-cpu', 'max,pku=off,la57=off', '-m', String(MEMORY_MB), '-smp', String(PROCESSORS), '-nographic']
    words.push('-kernel', kernel, '-initrd', initrd, '-append', 'root=/dev/vda rw console=ttyS0 quiet mitigations=off')
    words.push('-drive', `file=${disk},format=raw,if=virtio,cache=writeback`)
    words.push('-netdev', `user,id=out,hostfwd=tcp:127.0.0.1:${this.#port}-:22`, '-device', 'virtio-net-pci,netdev=out')
    this.#pid = detach('nice', ['-n', '5', 'qemu-system-x86_64', ...words], { log })
    closeSync(log)
    await this.#answers()
  }

  async reboot(): Promise<void> {
    const boot = async (): Promise<string> => (await this.type('cat /proc/sys/kernel/random/boot_id', { anyStatus: true, timeoutMs: 30_000 })).stdout
    const before = await boot()
    await this.type('systemctl reboot', { anyStatus: true })
    await until('the machine has booted again', async () => !['', before].includes(await boot().catch(() => '')), BOOT_MS)
  }

  async stop(): Promise<void> {
    await this.cut()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  async #answers(): Promise<void> {
    const answers = async (): Promise<boolean> => {
      if (!this.#isOn()) throw new Error(`the machine is off: ${readFileSync(join(this.#folder, 'console.log'), 'utf8').slice(-1_000)}`)
      const { status } = await run('ssh', this.#ssh('true'), { timeoutMs: 30_000, anyStatus: true }).catch(() => ({ status: 1 }))
      if (status !== 0) await pause(200)
      return status === 0
    }
    await until('the machine answers over ssh', answers, BOOT_MS)
  }

  #isOn(): boolean {
    // nice(1) becomes QEMU.
    return ['nice', 'qemu-system-x86_64'].some((program) => runs(this.#pid, program))
  }

  #ssh(command: string): string[] {
    const options = ['StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'LogLevel=ERROR', 'ConnectTimeout=20', 'ServerAliveInterval=15']
    return ['-F', '/dev/null', ...options.flatMap((one) => ['-o', one]), '-i', this.#image.key, '-p', String(this.#port), 'root@127.0.0.1', command]
  }
}

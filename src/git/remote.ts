// Code from other git servers: one address that was looked at, no redirects, no prompts, nothing of the host's configuration.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import type { BlockList } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { CodeCredential } from '../core/source/credential.ts'
import type { RemoteUrl } from '../core/source/url.ts'
import { messageOf, RejectedError, UnavailableError } from '../lib/errors.ts'
import { outsideAddress } from '../lib/outside.ts'
import { run } from '../lib/run.ts'
import { GIT_ENVIRONMENT, gitConfiguration } from './environment.ts'

export interface Remote {
  readonly url: RemoteUrl
  readonly credential: CodeCredential
  /** Host keys for ssh, as lines of known_hosts(5). */
  readonly knownHosts: string
  /** Networks of ours that may be reached all the same. */
  readonly allowed: BlockList
}

const LOOK_MS = 60_000
const FETCH_MS = 15 * 60_000
const LOW_SPEED = { 'http.lowSpeedLimit': '1000', 'http.lowSpeedTime': '60' }

/** Branches and tags with the commits they stand at: `git ls-remote`. Throws what `withRemote` throws. */
export async function listRemote(remote: Remote): Promise<Readonly<Record<string, string>>> {
  const { stdout } = await withRemote(remote, (git) => git(['ls-remote', '--heads', '--tags', '--', remote.url.text], { timeoutMs: LOOK_MS }))
  const refs: Record<string, string> = {}
  for (const line of stdout.split('\n')) {
    const [, commit, ref] = /^([0-9a-f]{40,64})\t(refs\/(?:heads|tags)\/[^\s^]+)(\^\{\})?$/.exec(line) ?? []
    // A peeled tag comes after the tag itself: the commit it names is what is deployed.
    if (commit !== undefined && ref !== undefined) refs[ref] = commit
  }
  return refs
}

/** Brings refs or commits of a remote into a repository: `git fetch` of these refspecs. Throws what `withRemote` throws. */
export async function fetchRemote(repository: string, remote: Remote, refspecs: readonly string[]): Promise<void> {
  await withRemote(remote, (git) =>
    git(['fetch', '--quiet', '--no-tags', '--no-write-fetch-head', '--no-recurse-submodules', '--force', '--', remote.url.text, ...refspecs], {
      timeoutMs: FETCH_MS,
      cwd: repository,
    }),
  )
}

/** The host keys an ssh server shows now, as lines of known_hosts(5): for a person to compare before they are pinned. */
export async function scanHostKeys(url: RemoteUrl, allowed: BlockList): Promise<string> {
  const address = await outsideAddress(url.host, allowed)
  const { stdout } = await run('ssh-keyscan', ['-T', '10', '-p', String(url.port), '--', address], { timeoutMs: LOOK_MS, anyStatus: true })
  const name = url.port === 22 ? url.host : `[${url.host}]:${url.port}`
  const keys = stdout.split('\n').flatMap((line) => {
    const [, key] = /^\S+ ((?:ssh|ecdsa|sk)-\S+ [A-Za-z0-9+/=]+)$/.exec(line) ?? []
    return key === undefined ? [] : [`${name} ${key}`]
  })
  if (keys.length === 0) throw new UnavailableError('source.no_host_key', `${url.host} shows no ssh host key on port ${url.port}.`)
  return `${keys.toSorted().join('\n')}\n`
}

/** An ed25519 key pair in the form of OpenSSH, without a passphrase: it is kept sealed. */
export async function makeDeployKey(comment: string): Promise<{ privateKey: string; publicKey: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'lockgate-key-'))
  try {
    const file = join(folder, 'key')
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', comment, '-f', file])
    return { privateKey: await readFile(file, 'utf8'), publicKey: (await readFile(`${file}.pub`, 'utf8')).trim() }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

type Git = (args: readonly string[], options: { readonly timeoutMs: number; readonly cwd?: string }) => Promise<{ readonly stdout: string }>

/**
 * Runs git against a remote at an address that was checked. Throws RejectedError `source.refused` (credential, host key, no
 * such repository), UnavailableError `source.unreachable`, and what `outsideAddress` throws.
 */
async function withRemote<T>(remote: Remote, work: (git: Git) => Promise<T>): Promise<T> {
  const { url } = remote
  const address = await outsideAddress(url.host, remote.allowed)
  const folder = await mkdtemp(join(tmpdir(), 'lockgate-fetch-'))
  try {
    const env = url.protocol === 'ssh' ? await sshEnvironment(remote, address, folder) : httpEnvironment(remote, address)
    return await work(async (args, { timeoutMs, cwd }) => {
      try {
        return await run('git', args, { env: { ...GIT_ENVIRONMENT, ...env }, timeoutMs, ...(cwd === undefined ? {} : { cwd }) })
      } catch (error) {
        throw explained(error, remote)
      }
    })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Where and how git connects, its secrets in its environment. */
function httpEnvironment({ url, credential }: Remote, address: string): Record<string, string> {
  const settings: [string, string][] = [
    ...Object.entries(LOW_SPEED),
    // A redirect could lead anywhere after we have looked where we go.
    ['http.followRedirects', 'false'],
    ['http.curloptResolve', `${url.host.replace(/^\[|\]$/g, '')}:${url.port}:${address}`],
    ['credential.helper', ''],
  ]
  if (credential?.kind === 'token')
    settings.push(['http.extraHeader', `Authorization: Basic ${Buffer.from(`${credential.username}:${credential.secret}`).toString('base64')}`])
  const proxies = ['https_proxy', 'http_proxy', 'no_proxy', 'HTTPS_PROXY', 'NO_PROXY', 'GIT_SSL_CAINFO', 'SSL_CERT_FILE']
  return {
    GIT_ALLOW_PROTOCOL: url.protocol,
    ...gitConfiguration(settings),
    ...Object.fromEntries(proxies.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name] ?? '']]))),
  }
}

async function sshEnvironment(remote: Remote, address: string, folder: string): Promise<Record<string, string>> {
  const { url, credential, knownHosts } = remote
  if (knownHosts.trim() === '')
    throw new RejectedError('source.host_key_unknown', `No host key of ${url.host} is pinned: "lockgate source set" shows it, and asks whether it is right.`)
  await writeFile(join(folder, 'known_hosts'), knownHosts, { mode: 0o600 })
  await writeFile(join(folder, 'key'), credential?.kind === 'key' ? `${credential.secret.trimEnd()}\n` : '', { mode: 0o600 })
  const options = [
    'Host *',
    `HostName ${address}`,
    `HostKeyAlias ${url.port === 22 ? url.host : `[${url.host}]:${url.port}`}`,
    `UserKnownHostsFile ${join(folder, 'known_hosts')}`,
    'GlobalKnownHostsFile /dev/null',
    'StrictHostKeyChecking yes',
    'UpdateHostKeys no',
    `IdentityFile ${join(folder, 'key')}`,
    'IdentitiesOnly yes',
    'IdentityAgent none',
    'BatchMode yes',
    'ConnectTimeout 15',
    'ServerAliveInterval 15',
    'ForwardAgent no',
    'ProxyCommand none',
    'PermitLocalCommand no',
    'ControlMaster no',
  ]
  await writeFile(join(folder, 'ssh_config'), `${options.join('\n')}\n`, { mode: 0o600 })
  // git hands this to a shell; the folder's name is ours (mkdtemp) and holds nothing a shell would read.
  return { GIT_ALLOW_PROTOCOL: 'ssh', GIT_SSH_VARIANT: 'ssh', GIT_SSH_COMMAND: `ssh -F ${join(folder, 'ssh_config')}`, HOME: folder }
}

/** git's own words decide what kind of failure it is; here, beside the program that says them. */
function explained(error: unknown, { url, credential }: Remote): Error {
  const said = messageOf(error)
  const at = url.text
  if (/Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED/.test(said))
    return new RejectedError(
      'source.host_key_changed',
      `The ssh host key of ${url.host} is not the one that was pinned: nothing was fetched. If it was changed on purpose, run "lockgate source set" again.`,
      { cause: error },
    )
  if (/Authentication failed|Permission denied|could not read (Username|Password)|HTTP (code )?40[13]|error: 40[13]/.test(said))
    return new RejectedError(
      'source.not_allowed',
      credential === null
        ? `${at} asks for a credential: give one with --token or --key.`
        : `${at} does not accept the ${credential.kind === 'key' ? 'deploy key' : 'token'}: check that it may read this repository, and that it has not expired.`,
      { cause: error },
    )
  if (/not found|does not exist|error: 404|does not appear to be a git repository/i.test(said))
    return new RejectedError('source.not_found', `${at} is not there, or may not be seen with this credential.`, { cause: error })
  if (/unable to update url base from redirection|redirect|error: 30\d/i.test(said))
    return new RejectedError('source.redirected', `${at} leads somewhere else, and redirects are not followed: give the URL it leads to.`, { cause: error })
  if (/not our ref|no such remote ref|couldn't find remote ref|upload-pack: not our ref/i.test(said))
    return new RejectedError('source.ref_not_there', `${at} does not have what was asked for, or does not give single commits.`, { cause: error })
  return new UnavailableError('source.unreachable', `${at} cannot be fetched: ${said.replace(/^git \S+ exited with \d+: /, '').slice(0, 400)}`, {
    cause: error,
  })
}

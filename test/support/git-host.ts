// Another git server: repositories over HTTP (git's own backend) and over ssh (a real sshd), on this machine.
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { launch, run } from '../../src/lib/run.ts'
import { ownFolder } from './folder.ts'
import { freePort } from './haproxy.ts'
import { type Files, well } from './person.ts'
import { until } from './until.ts'

const ENV = {
  HOME: '/nonexistent',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_AUTHOR_NAME: 'Grace',
  GIT_AUTHOR_EMAIL: 'grace@example.net',
  GIT_COMMITTER_NAME: 'Grace',
  GIT_COMMITTER_EMAIL: 'grace@example.net',
}

export interface GitHost {
  /** `http://127.0.0.1:PORT/NAME.git`. */
  url(name: string): string
  /** Where it lies on this machine, for ssh. */
  path(name: string): string
  /** Makes a repository on branch main with one commit of these files, or adds a commit to it; gives the commit. */
  commit(name: string, files: Files, branch?: string): Promise<string>
  /** Runs git in the working copy of a repository, and pushes everything. */
  git(name: string, ...args: readonly string[]): Promise<string>
  /** Asks for this user and password from now on; null: nobody is asked. */
  protect(who: { readonly user: string; readonly password: string } | null): void
  /** What every request was: `GET /shop.git/info/refs`. */
  readonly requests: string[]
  /** Answers every request with a redirect to another place; null: as usual. */
  redirect(to: string | null): void
  stop(): Promise<void>
}

/** Starts one; HTTP only. */
export async function aGitHost(): Promise<GitHost> {
  const folder = ownFolder('git-host')
  const requests: string[] = []
  let who: { readonly user: string; readonly password: string } | null = null
  let elsewhere: string | null = null
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`)
    if (elsewhere !== null) {
      response.writeHead(302, { location: elsewhere + (request.url ?? '') }).end()
      return
    }
    const wanted = who === null ? null : `Basic ${Buffer.from(`${who.user}:${who.password}`).toString('base64')}`
    if (wanted !== null && request.headers.authorization !== wanted) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="git"' }).end()
      return
    }
    backend(folder, request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  const git = async (name: string, ...args: readonly string[]): Promise<string> => {
    const cwd = join(folder, `${name}.work`)
    const out = (await run('git', args, { env: ENV, cwd })).stdout.trim()
    await run('git', ['push', '--quiet', '--all', 'origin'], { env: ENV, cwd })
    await run('git', ['push', '--quiet', '--tags', 'origin'], { env: ENV, cwd })
    return out
  }
  return {
    url: (name) => `http://127.0.0.1:${port}/${name}.git`,
    path: (name) => join(folder, `${name}.git`),
    git,
    commit: async (name, files, branch = 'main') => {
      const cwd = join(folder, `${name}.work`)
      if (!(await readFile(join(folder, `${name}.git`, 'HEAD'), 'utf8').catch(() => null))) await make(folder, name)
      const exists = (await run('git', ['rev-parse', '--verify', '--quiet', branch], { env: ENV, cwd, anyStatus: true })).status === 0
      await run('git', exists ? ['checkout', '--quiet', branch] : ['checkout', '--quiet', '-b', branch], { env: ENV, cwd, anyStatus: true })
      for (const [path, text] of Object.entries(files)) {
        await mkdir(join(cwd, path, '..'), { recursive: true })
        await writeFile(join(cwd, path), text)
      }
      await run('git', ['add', '--all'], { env: ENV, cwd })
      await run('git', ['commit', '--quiet', '--allow-empty', '-m', 'next'], { env: ENV, cwd })
      return git(name, 'rev-parse', 'HEAD')
    },
    protect: (asked) => {
      who = asked
    },
    redirect: (to) => {
      elsewhere = to
    },
    requests,
    stop: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function make(folder: string, name: string): Promise<void> {
  const bare = join(folder, `${name}.git`)
  await run('git', ['init', '--quiet', '--bare', '--initial-branch=main', bare], { env: ENV })
  await run('git', ['config', 'uploadpack.allowAnySHA1InWant', 'true'], { env: ENV, cwd: bare })
  await run('git', ['init', '--quiet', '--initial-branch=main', join(folder, `${name}.work`)], { env: ENV })
  await run('git', ['remote', 'add', 'origin', bare], { env: ENV, cwd: join(folder, `${name}.work`) })
}

/** git-http-backend(1) as a CGI program. */
function backend(folder: string, request: IncomingMessage, response: ServerResponse): void {
  const [path = '', query = ''] = (request.url ?? '').split('?')
  const child = launch('git', ['http-backend'], {
    env: {
      ...ENV,
      GIT_PROJECT_ROOT: folder,
      GIT_HTTP_EXPORT_ALL: '1',
      PATH_INFO: path,
      QUERY_STRING: query,
      REQUEST_METHOD: request.method ?? 'GET',
      CONTENT_TYPE: request.headers['content-type'] ?? '',
      HTTP_CONTENT_ENCODING: String(request.headers['content-encoding'] ?? ''),
      GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
      REMOTE_ADDR: '127.0.0.1',
    },
  })
  if (child.stdin) request.pipe(child.stdin)
  child.stdin?.on('error', () => undefined)
  let head = Buffer.alloc(0)
  let isBody = false
  child.stdout?.on('data', (chunk: Buffer) => {
    if (isBody) return void response.write(chunk)
    head = Buffer.concat([head, chunk])
    const end = head.indexOf('\r\n\r\n')
    if (end < 0) return
    isBody = true
    for (const line of head.subarray(0, end).toString().split('\r\n')) {
      const [key = '', value = ''] = line.split(/: (.*)/s)
      if (key === 'Status') response.statusCode = Number(value.slice(0, 3))
      else response.setHeader(key, value)
    }
    response.write(head.subarray(end + 4))
  })
  child.on('close', () => response.end())
}

export interface SshHost {
  readonly port: number
  /** `ssh://USER@127.0.0.1:PORT/PATH`. */
  url(path: string): string
  /** Lets the owner of this public key in. */
  allow(publicKey: string): Promise<void>
  /** Shows another host key from the next connection on. */
  renewHostKey(): Promise<void>
  stop(): Promise<void>
}

/** A real sshd for this user, on a port of its own, with a fresh host key. */
export async function anSshHost(): Promise<SshHost> {
  const folder = ownFolder('sshd')
  await chmod(folder, 0o755)
  const port = await freePort()
  const key = join(folder, 'host_key')
  const renew = async (): Promise<void> => {
    await rm(key, { force: true })
    await well(run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]).then((result) => ({ ...result, all: result.stderr })))
  }
  await renew()
  await writeFile(join(folder, 'authorized_keys'), '', { mode: 0o600 })
  await mkdir('/run/sshd', { recursive: true })
  await writeFile(
    join(folder, 'config'),
    [
      `Port ${port}`,
      'ListenAddress 127.0.0.1',
      `HostKey ${key}`,
      `AuthorizedKeysFile ${join(folder, 'authorized_keys')}`,
      `PidFile ${join(folder, 'pid')}`,
      'StrictModes no',
      'PasswordAuthentication no',
      'PermitRootLogin prohibit-password',
      'UsePAM no',
      '',
    ].join('\n'),
  )
  let child = await listen(folder, port)
  return {
    port,
    url: (path) => `ssh://${userInfo().username}@127.0.0.1:${port}${path}`,
    allow: (publicKey) => writeFile(join(folder, 'authorized_keys'), `${publicKey}\n`, { mode: 0o600 }),
    renewHostKey: async () => {
      await renew()
      child.kill()
      await new Promise((resolve) => child.once('close', resolve))
      child = await listen(folder, port)
    },
    stop: async () => {
      child.kill()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function listen(folder: string, port: number) {
  const child = launch('/usr/sbin/sshd', ['-D', '-e', '-f', join(folder, 'config')])
  let said = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    said += chunk.toString()
  })
  child.stdout?.resume()
  await until(`sshd listens on ${port}`, async () => said.includes('Server listening'))
  return child
}

// What a program tells the systemd that started it: sd_notify(3), by way of systemd-notify(1), for Node opens no datagram sockets of Unix.
import { run } from './run.ts'

/** Tells fields such as `WATCHDOG=1`; does nothing where no systemd wants to be told. Throws when systemd was not told. */
export async function notifySystemd(...fields: readonly string[]): Promise<void> {
  const socket = process.env['NOTIFY_SOCKET']
  if (socket === undefined) return
  await run('systemd-notify', fields, { env: { NOTIFY_SOCKET: socket } })
}

// Listening sockets that are opened here and used by somebody else. Node has no public call that binds without accepting; its
// cluster module uses this one, and held-socket.test.ts says when it goes away.
import net from 'node:net'

/** Where somebody listens. */
export interface ListenAddress {
  /** `0.0.0.0` and `::` are every address of the family. */
  readonly address: string
  readonly port: number
}

export interface HeldSocket {
  /** To be handed to a program that calls `listen` on it. */
  readonly fd: number
  close(): void
}

interface Handle {
  readonly fd: number
  /** 0, or a negative error: libuv says only here that the address was taken. */
  getsockname(into: object): number
  close(): void
}

/** Address, port, family (4 or 6), an open file or -1, flags. */
type CreateHandle = (...bind: readonly [string, number, 4 | 6, number, number]) => Handle | number

/** Only IPv6, so that a socket for IPv4 can stand beside it. */
const IPV6_ONLY = 1

/** Binds an address without listening or accepting; null when it is taken, or may not be used. */
export function holdSocket({ address, port }: ListenAddress): HeldSocket | null {
  const create = (net as unknown as { readonly _createServerHandle: CreateHandle })._createServerHandle
  const isV6 = net.isIPv6(address)
  const handle = create(address, port, isV6 ? 6 : 4, -1, isV6 ? IPV6_ONLY : 0)
  if (typeof handle === 'number') return null
  if (handle.getsockname({}) === 0) return { fd: handle.fd, close: () => handle.close() }
  handle.close()
  return null
}

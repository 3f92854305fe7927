/** Numbers of linux/capability.h. */
const CAPABILITIES = { setgid: 6, setuid: 7 }
const VERSION_2_EFFECTIVE = 0x02000001
const BLOCK = 512

/**
 * The blocks of a tar that give the entry after them a capability: a pax header with the record of capabilities(7), "File
 * capabilities". Made here because the library writes records as text, which this one is not.
 */
export function fileCapability(right: keyof typeof CAPABILITIES): Buffer {
  const value = Buffer.alloc(20)
  value.writeUInt32LE(VERSION_2_EFFECTIVE, 0)
  value.writeUInt32LE(1 << CAPABILITIES[right], 4)
  const rest = Buffer.concat([Buffer.from(' SCHILY.xattr.security.capability='), value, Buffer.from('\n')])
  // A record begins with its own length, in as many digits as that takes.
  const record = Buffer.concat([Buffer.from(String(rest.length + 2)), rest])
  return Buffer.concat([paxHeader(record.length), record, Buffer.alloc(BLOCK - record.length)])
}

/** POSIX.1-2017, "ustar interchange format": an extended header of so many bytes. */
function paxHeader(size: number): Buffer {
  const block = Buffer.alloc(BLOCK)
  block.write('pax', 0)
  block.write('0000644\0', 100)
  block.write('0000000\0', 108)
  block.write('0000000\0', 116)
  block.write(`${size.toString(8).padStart(11, '0')}\0`, 124)
  block.write('00000000000\0', 136)
  block.write('        x', 148)
  block.write('ustar\x0000', 257)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return block
}

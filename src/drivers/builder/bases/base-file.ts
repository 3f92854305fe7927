import type { Readable } from 'node:stream'
import type { Pack } from 'tar-stream'
import { tarStream } from '../../../lib/tar.ts'

/** A file or link that goes into a base; links of the alternatives system, which no install script made, are such. */
export interface BaseFile {
  readonly name: string
  readonly text?: string
  readonly link?: string
}

/** The users of an image; `user` is the number of `app`, as which builds and built apps run. */
export function userFiles(user: number): BaseFile[] {
  return [
    { name: 'etc/passwd', text: `root:x:0:0:root:/root:/bin/sh\napp:x:${user}:${user}:app:/app:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n` },
    { name: 'etc/group', text: `root:x:0:\napp:x:${user}:\nnogroup:x:65534:\n` },
  ]
}

/** Puts it into a tar of a root file system. */
export function addBaseFile(target: Pack, { name, text, link }: BaseFile): void {
  if (link === undefined) target.entry({ name, mode: 0o644 }, text ?? '')
  else target.entry({ name, type: 'symlink', linkname: link })
}

/** A tar of such files alone, for a box. */
export function baseFilesTar(files: readonly BaseFile[]): Readable {
  return tarStream(async (target) => {
    for (const file of files) addBaseFile(target, file)
  })
}

import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { z } from 'zod'
import { RejectedError } from '../../lib/errors.ts'
import { makeFolderFor, readIfThere, writeAtomic } from '../../lib/files.ts'
import { newId } from '../../lib/ids.ts'
import type { SealedValue, Sealer, SecretContext } from './secret.ts'

const KeyFile = z.object({ current: z.string(), keys: z.record(z.string(), z.string().regex(/^[A-Za-z0-9+/]{43}=$/)) })
type KeyFile = z.infer<typeof KeyFile>

/**
 * Opens the sealer of a key file, making one with a fresh 256-bit key (mode 0600) where there is none. The file lies apart
 * from the database, so that a backup of one is not both. Throws RejectedError `secret.key_file_damaged`.
 */
export async function openSealer(directory: string): Promise<Sealer> {
  const path = join(directory, 'secrets.key')
  const text = await readIfThere(path)
  const file = text === null ? await makeKeyFile(path) : parse(text, path)
  return new AesSealer(file)
}

async function makeKeyFile(path: string): Promise<KeyFile> {
  const current = newId('key')
  const file = { current, keys: { [current]: randomBytes(32).toString('base64') } }
  await makeFolderFor(path)
  await writeAtomic(path, `${JSON.stringify(file)}\n`, 0o600)
  return file
}

function parse(text: string, path: string): KeyFile {
  try {
    return KeyFile.parse(JSON.parse(text))
  } catch (cause) {
    throw new RejectedError(
      'secret.key_file_damaged',
      `${path} cannot be read as a key file; restore it from your backup: without it no secret can be opened.`,
      { cause },
    )
  }
}

/** AES-256-GCM; the additional data binds a value to its environment, name and version. */
class AesSealer implements Sealer {
  readonly #file: KeyFile

  constructor(file: KeyFile) {
    this.#file = file
  }

  seal(value: string, context: SecretContext): SealedValue {
    const nonce = randomBytes(12)
    const cipher = createCipheriv('aes-256-gcm', this.#key(this.#file.current), nonce)
    cipher.setAAD(additionalData(context))
    const ciphertext = Buffer.concat([cipher.update(value, 'utf8'), cipher.final()])
    return {
      keyId: this.#file.current,
      nonce: nonce.toString('base64'),
      ciphertext: ciphertext.toString('base64'),
      tag: cipher.getAuthTag().toString('base64'),
    }
  }

  open(sealed: SealedValue, context: SecretContext): string {
    try {
      const decipher = createDecipheriv('aes-256-gcm', this.#key(sealed.keyId), Buffer.from(sealed.nonce, 'base64'), { authTagLength: 16 })
      decipher.setAAD(additionalData(context))
      decipher.setAuthTag(Buffer.from(sealed.tag, 'base64'))
      return Buffer.concat([decipher.update(Buffer.from(sealed.ciphertext, 'base64')), decipher.final()]).toString('utf8')
    } catch (cause) {
      throw new RejectedError(
        'secret.cannot_open',
        `The secret ${context.name} cannot be opened: the key file is not the one it was sealed with, or it was changed.`,
        { cause },
      )
    }
  }

  fingerprint(name: string, value: string): string {
    const key = hkdfSync('sha256', this.#key(this.#file.current), '', 'lockgate fingerprint of a value', 32)
    return createHmac('sha256', Buffer.from(key))
      .update(JSON.stringify([name, value]))
      .digest('hex')
      .slice(0, 32)
  }

  #key(id: string): Buffer {
    const key = this.#file.keys[id]
    if (key === undefined) throw new Error(`no key ${id}`)
    return Buffer.from(key, 'base64')
  }
}

function additionalData(context: SecretContext): Buffer {
  return Buffer.from(JSON.stringify([context.environmentId, context.name, context.version]))
}

/** A file or link that goes into a base; links of the alternatives system, which no install script made, are such. */
export interface BaseFile {
  readonly name: string
  readonly text?: string
  readonly link?: string
}

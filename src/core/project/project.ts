/** A group of apps, its members and defaults. Its id stands in every table; one installation starts with one project. */
export interface Project {
  readonly id: string
  readonly name: string
  readonly createdAt: number
}

export const DEFAULT_PROJECT = 'default'

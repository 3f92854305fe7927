import express from 'express'

export const app = express()

app.get('/', (_request, response) => response.send(`${greeting()} from Express on Node ${process.versions.node}\n`))

export function greeting(name = process.env.GREETING ?? 'Hello') {
  return name
}

import { onTestFinished } from 'vitest'
import { type AppServer, startAppServer } from './app-server.ts'

/** An app behind the edge that ends with its test. */
export async function anApp(name: string): Promise<AppServer> {
  const app = await startAppServer(name)
  onTestFinished(() => app.kill())
  return app
}

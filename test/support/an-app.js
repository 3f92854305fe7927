import { onTestFinished } from 'vitest';
import { startAppServer } from './app-server.js';
/** An app behind the edge that ends with its test. */
export async function anApp(name) {
    const app = await startAppServer(name);
    onTestFinished(() => app.kill());
    return app;
}

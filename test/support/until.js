import { pause } from '../../src/lib/clock.js';
/** Waits until a condition holds, looking every few milliseconds. Throws with its name at the deadline. */
export async function until(what, holds, deadlineMs = 15_000) {
    const started = performance.now();
    while (!(await holds())) {
        if (performance.now() - started > deadlineMs)
            throw new Error(`not within ${deadlineMs} ms: ${what}`);
        await pause(5);
    }
}

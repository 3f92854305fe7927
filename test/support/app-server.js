// A small app to stand behind an edge: it says who it is, and has an answer of every kind that is hard on a proxy.
import { createServer } from 'node:http';
import { createServer as createH2Server } from 'node:http2';
import { WebSocketServer } from 'ws';
/**
 * `/` its name, `/headers` the request's headers as JSON, `/slow?ms=` an answer after that time, `/sse?events=&ms=` a stream,
 * `/status?code=` that status, `/upload` the number of bytes it got, `/download?bytes=&ms=` so many bytes over that time; any path is an echoing WebSocket.
 */
export async function startAppServer(name, port = 0) {
    const app = new App(name);
    const server = createServer((request, response) => app.answer(request, response));
    const sockets = new WebSocketServer({ server });
    sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(data.toString())));
    return listening({ server, app, port });
}
/** The same over cleartext HTTP/2, as gRPC servers speak. */
export async function startH2cAppServer(name) {
    const app = new App(name);
    const server = createH2Server((request, response) => {
        app.count(response);
        response.setHeader('content-type', 'text/plain');
        if (request.url.startsWith('/echo'))
            request.pipe(response);
        else
            response.end(name);
    });
    return listening({ server, app, port: 0 });
}
class App {
    name;
    open = 0;
    total = 0;
    constructor(name) {
        this.name = name;
    }
    count(response) {
        this.open += 1;
        this.total += 1;
        response.on('close', () => {
            this.open -= 1;
        });
    }
    answer(request, response) {
        this.count(response);
        const url = new URL(request.url ?? '/', 'http://app');
        const number = (key, otherwise) => Number(url.searchParams.get(key) ?? otherwise);
        if (url.pathname.endsWith('/headers'))
            response.setHeader('content-type', 'application/json').end(JSON.stringify(request.headers));
        else if (url.pathname.endsWith('/slow'))
            setTimeout(() => response.end(this.name), number('ms', 1_000));
        else if (url.pathname.endsWith('/status'))
            response.writeHead(number('code', 200)).end(this.name);
        else if (url.pathname.endsWith('/sse'))
            stream({ response, events: number('events', 10), ms: number('ms', 100) });
        else if (url.pathname.endsWith('/upload'))
            swallow(request, response);
        else if (url.pathname.endsWith('/download'))
            trickle({ response, bytes: number('bytes', 262_144), ms: number('ms', 500) });
        else
            response.end(this.name);
    }
}
function stream({ response, events, ms }) {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
    let sent = 0;
    const timer = setInterval(() => {
        sent += 1;
        response.write(`data: ${sent} ${Date.now()}\n\n`);
        if (sent < events)
            return;
        clearInterval(timer);
        response.end();
    }, ms);
    response.on('close', () => clearInterval(timer));
}
function swallow(request, response) {
    let bytes = 0;
    request.on('data', (chunk) => {
        bytes += chunk.length;
    });
    request.on('end', () => response.end(String(bytes)));
}
function trickle({ response, bytes, ms }) {
    response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': bytes });
    const parts = 10;
    let sent = 0;
    const timer = setInterval(() => {
        sent += 1;
        const size = sent === parts ? bytes - Math.floor(bytes / parts) * (parts - 1) : Math.floor(bytes / parts);
        response.write(Buffer.alloc(size, 'd'));
        if (sent < parts)
            return;
        clearInterval(timer);
        response.end();
    }, Math.max(1, ms / parts));
    response.on('close', () => clearInterval(timer));
}
async function listening({ server, app, port }) {
    const sockets = new Set();
    server.on('connection', (socket) => {
        sockets.add(socket);
        socket.on('close', () => sockets.delete(socket));
        // A check connects and leaves; a client may vanish. Neither is this app's trouble.
        socket.on('error', () => undefined);
    });
    await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
    return {
        name: app.name,
        port: server.address().port,
        inFlight: () => app.open,
        total: () => app.total,
        kill: async () => {
            const closed = new Promise((resolve) => server.close(resolve));
            for (const socket of sockets)
                socket.resetAndDestroy();
            await closed;
        },
    };
}

// What visitors see when no app answers. The pages are files that HAProxy reads when it starts; what differs by environment
// comes from pages.map, so that it is true while the server is down. No name of a visitor's choice is ever repeated.
import type { EnvironmentTraffic } from '../../../core/route/route.ts'
import { plainText } from '../../../lib/control-bytes.ts'

const STYLE =
  ':root{color-scheme:light dark}body{margin:0;min-height:100vh;display:grid;place-items:center;font:17px/1.5 system-ui,sans-serif;' +
  'background:Canvas;color:CanvasText}main{max-width:34rem;padding:2rem}h1{font-size:1.5rem;margin:0 0 .5rem}p{margin:.5rem 0;opacity:.8}'

function page(title: string, body: string): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="robots" content="noindex">
<title>${title}</title><style>${STYLE}</style></head>
<body><main>
${body}
</main></body></html>
`
}

/** Pages that are the same for everybody, by file name. */
export const STATIC_PAGES: Readonly<Record<string, string>> = {
  '400.html': page('Bad request', '<h1>Bad request</h1><p>This request could not be understood: its Host is not a name.</p>'),
  '431.html': page(
    'Too many cookies',
    '<h1>Too many cookies</h1><p>The browser sent more than 63 kB of cookies with this request. Delete the cookies of this site and try again.</p>',
  ),
  '429.html': page('Too many requests', '<h1>Too many requests</h1><p>This app has as many requests open as it may have. Try again in a moment.</p>'),
  '404.html': page('Not found', '<h1>Nothing here</h1><p>No app has this address. Check the spelling, or ask whoever gave you the link.</p>'),
  '408.html': page('Request timed out', '<h1>Request timed out</h1><p>The request did not arrive in time. Try again.</p>'),
  '502.html': page(
    'Bad gateway',
    '<h1>The app broke off</h1><p>The app ended the connection before it answered, or its answer begins with more than 127 kB of headers. Try again in a moment.</p>',
  ),
  '504.html': page('Timed out', '<h1>The app took too long</h1><p>The app did not answer in time. Try again in a moment.</p>'),
}

/** The 503 page as a log-format text: `fragment` is an HAProxy expression; a percent sign of the page itself is doubled. */
export function unavailablePage(fragment: string): string {
  return page('Not available', 'FRAGMENT').replaceAll('%', '%%').replace('FRAGMENT', fragment)
}

/** The part of the 503 page that differs, as HTML: title, state and sentence are escaped and bounded. */
export function stateFragment(traffic: Pick<EnvironmentTraffic, 'title' | 'page'>): string {
  const { state, sentence } = traffic.page
  return `<h1>${escaped(traffic.title, 120)} is ${escaped(state, 80)}</h1><p>${escaped(sentence, 600)}</p>`
}

/** For a backend that has no page: one that was just taken away. */
export const NO_PAGE = { fragment: '<h1>Not available</h1><p>The app has no instance that answers. Try again in a moment.</p>', retryAfterSeconds: 5 }

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

function escaped(text: string, most: number): string {
  return [...plainText(text)]
    .slice(0, most)
    .join('')
    .replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '')
}

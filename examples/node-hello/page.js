const ESCAPES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }

function safe(text) {
  return text.replace(/[&<>"]/g, (character) => ESCAPES[character])
}

/** The page: a greeting and a list of facts, in light and in dark. */
export function page(greeting, facts) {
  const rows = Object.entries(facts).map(([name, value]) => `<dt>${safe(name)}</dt><dd>${safe(value)}</dd>`)
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${safe(greeting)}</title>
<style>
  body { font: 1.05rem/1.6 system-ui, sans-serif; margin: 0; min-height: 100vh; display: grid; place-items: center; background: light-dark(#f4f6f8, #14181d); color: light-dark(#1b2430, #e6ebf0) }
  main { padding: 2rem 2.5rem; border-radius: .75rem; background: light-dark(#fff, #1d232b); box-shadow: 0 1px 4px #0003 }
  h1 { margin: 0 0 1rem; font-size: 1.5rem }
  dl { display: grid; grid-template-columns: auto 1fr; gap: .25rem 1.5rem; margin: 0 }
  dt { color: light-dark(#586574, #9aa7b5) }
  dd { margin: 0; font-family: ui-monospace, monospace }
</style>
</head>
<body><main><h1>${safe(greeting)}</h1><dl>${rows.join('')}</dl></main></body>
</html>
`
}

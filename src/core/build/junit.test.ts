import { expect, test } from 'vitest'
import { summarizeTests } from './junit.ts'

const of = (...texts: string[]) => summarizeTests(texts.map((text, at) => ({ path: `reports/${at}.xml`, text })))

test('the cases of all files are counted, and those that failed say why', () => {
  const summary = of(
    `<?xml version="1.0"?><testsuites><testsuite name="cart" tests="3">
      <testcase classname="cart" name="adds" time="0.25"/>
      <testcase classname="cart" name="removes" time="1,000.5"><failure message="expected 1 &lt; 2"><![CDATA[at cart.test.js:3]]></failure></testcase>
      <testcase name="later"><skipped/></testcase>
    </testsuite></testsuites>`,
    '<testsuite><testcase name="boots" time="x"><error message="no such file"/></testcase></testsuite>',
  )

  expect(summary).toEqual({
    total: 4,
    failed: 2,
    skipped: 1,
    seconds: 1000.75,
    failures: [
      { name: 'cart removes', message: 'expected 1 < 2\nat cart.test.js:3' },
      { name: 'boots', message: 'no such file' },
    ],
  })
})

test('files that are no reports say nothing', () => {
  expect(of()).toBeNull()
  expect(of('', 'hello', '<html><p>not closed', '{"a":1}', '\0\0')).toBeNull()
})

test('of a report that breaks off the cases before are known', () => {
  expect(of('<testsuite><testcase name="a"/><testcase name="b"><failure message="x"/></testcase><testcase na')).toMatchObject({ total: 2, failed: 1 })
})

test('entities of a file are not resolved, neither from outside nor into themselves', () => {
  const outside = '<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><testsuite><testcase name="a"><failure>&f;</failure></testcase></testsuite>'
  const laughs = `<!DOCTYPE x [<!ENTITY a "ha">${Array.from({ length: 30 }, (_, at) => `<!ENTITY b${at} "${'&a;'.repeat(100)}">`).join('')}]><testsuite><testcase name="&b29;"/></testsuite>`

  expect(JSON.stringify(of(outside))).not.toContain('root:')
  expect(of(laughs)).toBeNull()
})

test('a report made to be large stays small', () => {
  const deep = `${'<a>'.repeat(100_000)}`
  const long = `<testsuite>${'<testcase name="x"><failure message="no"/></testcase>'.repeat(10_000)}</testsuite>`
  const wide = `<testsuite><testcase name="${'n'.repeat(1_000_000)}"><failure message="${'m'.repeat(1_000_000)}"/></testcase></testsuite>`

  expect(of(deep)).toBeNull()
  expect(of(long)).toMatchObject({ total: 10_000, failed: 10_000 })
  expect(of(long)?.failures).toHaveLength(50)
  expect(JSON.stringify(of(wide)).length).toBeLessThan(3_000)
})

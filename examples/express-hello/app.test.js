import assert from 'node:assert'
import { test } from 'node:test'
import { greeting } from './app.js'

test('it greets as it is told', () => assert.equal(greeting('Good morning'), 'Good morning'))

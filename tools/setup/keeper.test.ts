import { expect, test } from 'vitest'
import { socketUnitText, unitText } from './keeper.ts'

const edge = {
  name: 'edge',
  file: '/usr/sbin/haproxy',
  args: ['-W', '-f', '/var/lib/lockgate/edge/haproxy.cfg'],
  env: {},
  listen: [
    { variable: 'LOCKGATE_FD_4_0_0_0_0_80', address: '0.0.0.0', port: 80 },
    { variable: 'LOCKGATE_FD_6____80', address: '::', port: 80 },
  ],
}

test('systemd opens the sockets of the edge, and says which file is which', () => {
  const socket = socketUnitText(edge).split('\n')
  const service = unitText(edge).split('\n')

  expect(socket.filter((line) => line.startsWith('ListenStream='))).toEqual(['ListenStream=0.0.0.0:80', 'ListenStream=[::]:80'])
  expect(socket).toContain('Service=lockgate-edge.service')
  expect(service.filter((line) => /^(Requires|Sockets|Environment)=/.test(line))).toEqual([
    'Requires=lockgate-edge.socket',
    'Environment="LOCKGATE_FD_4_0_0_0_0_80=3"',
    'Environment="LOCKGATE_FD_6____80=4"',
    'Sockets=lockgate-edge.socket',
  ])
})

test('systemd kills a server that gives no sign of life, and gives it minutes to start', () => {
  expect(unitText({ ...edge, alive: 'http://127.0.0.1:7700/v1/health' }).split('\n')).toEqual(
    expect.arrayContaining(['WatchdogSec=300', 'WatchdogSignal=SIGKILL']),
  )
  expect(unitText(edge)).not.toContain('Watchdog')
})

test('a program without sockets has no socket unit', () => {
  expect(unitText({ ...edge, listen: [] })).not.toContain('.socket')
})

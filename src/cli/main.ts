// Runs the command line: arguments in, an exit status out. Nothing here knows a command.
import { CommanderError } from 'commander'
import { complaintOf, EXIT, exitOf } from './exit.ts'
import { makeProgram } from './program.ts'

const program = makeProgram()
for (const command of [program, ...program.commands, ...program.commands.flatMap((child) => child.commands)]) command.exitOverride()

// Writing into a closed pipe (lockgate events | head) is not a fault.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))

try {
  await program.parseAsync(process.argv)
} catch (error) {
  if (error instanceof CommanderError) process.exit(error.exitCode === 0 ? EXIT.ok : EXIT.usage)
  const complaint = complaintOf(error, process.argv.includes('--json'))
  if (complaint !== '') process.stderr.write(`${complaint}\n`)
  process.exit(exitOf(error))
}

/** The environment of every git program: nothing of the host's configuration, no prompt, no other protocols. */
export const GIT_ENVIRONMENT: Readonly<Record<string, string>> = {
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_TERMINAL_PROMPT: '0',
  GIT_ALLOW_PROTOCOL: 'https:ssh',
  HOME: '/nonexistent',
  LC_ALL: 'C.UTF-8',
}

/**
 * How the server's Node is started. It mostly waits: a small young generation and code kept compact cost it nothing that a
 * request would notice, and keep its resident memory low on machines that are there for the apps.
 * It trusts the certificate authorities that the machine trusts, as git and curl do.
 */
export const SERVER_FLAGS: readonly string[] = ['--max-semi-space-size=1', '--optimize-for-size', '--use-system-ca']

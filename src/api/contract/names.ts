// Names as they stand in paths: for those who talk to the API.
export { AppName, EnvironmentName, PRODUCTION } from '../../core/app/app.ts'
export { ConfigKey } from '../../core/config-revision/config-revision.ts'
export { HostName, PathPrefix } from '../../core/route/route.ts'

/** The HTTP API as a service. Other processes start it by `@millrace/api/main`. */

export { type ApiOptions, type RunningApi, startApi } from './start-api.ts';

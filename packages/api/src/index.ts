/** The HTTP API as a service. Other processes start it by `@millrace/api/main`. */
export type { Api, ApiSettings } from './api.ts';

/** Every exit code of the command line, in one list. */
export const exitCodes = {
  done: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  notAllowed: 4,
  conflict: 5,
  rejects: 6,
  jobFailed: 7,
  timedOut: 8,
  needsConfirmation: 9,
  notInstalled: 69,
  unavailable: 75,
  interrupted: 130,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

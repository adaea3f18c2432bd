import type { Command } from '../command.ts';

/** Verb → command. Each is loaded when it is asked for, so that help and small verbs start at once. */
export const commands: Readonly<Record<string, { readonly about: string; load(): Promise<Command> }>> = {
  run: { about: 'a whole job on this computer', load: async () => (await import('./run.ts')).run },
  dev: { about: 'scheduler, worker host, API and dashboard on this computer', load: async () => (await import('./dev.ts')).dev },
  probe: { about: 'how files would be read, and why, as a spec to edit', load: async () => (await import('./probe.ts')).probe },
  show: { about: 'one job with its balance, rejects and dead letters', load: async () => (await import('./show.ts')).show },
  dead: { about: 'dead letters: ls, show', load: async () => (await import('./dead.ts')).dead },
  rejects: { about: 'rejects: ls, export, replay', load: async () => (await import('./rejects.ts')).rejects },
  peek: { about: 'bytes, text and fields of any place', load: async () => (await import('./peek.ts')).peek },
  redrive: { about: 'put dead work back, as the next generation', load: async () => (await import('./redrive.ts')).redrive },
  ops: { about: 'redrives under way: ls, show, pause, resume, abort, rate', load: async () => (await import('./ops.ts')).ops },
  errors: { about: 'failures by cause: ls, show, resolve, ignore, reopen', load: async () => (await import('./errors.ts')).errors },
  attempts: { about: 'every attempt at a chunk, and what two differ in', load: async () => (await import('./attempts.ts')).attempts },
  pause: { about: 'hold the job that runs in a directory', load: async () => (await import('./steer.ts')).pause },
  resume: { about: 'let a paused job go on', load: async () => (await import('./steer.ts')).resume },
  cancel: { about: 'end the job that runs in a directory', load: async () => (await import('./steer.ts')).cancel },
  generate: { about: 'synthetic dirty data with a known truth', load: async () => (await import('./generate.ts')).generate },
};

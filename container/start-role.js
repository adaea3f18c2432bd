// What the image runs: its first argument is the role. `api`, `scheduler` and `worker-host` are services; anything else goes to the command line.
const services = ['api', 'scheduler', 'worker-host'];
const [role, ...rest] = process.argv.slice(2);

if (services.includes(role) && rest.length > 0) {
  process.stderr.write(`error: ${role} takes no arguments, got ${JSON.stringify(rest[0])}: its settings are variables (docs/configuration.md)\n`);
  process.exit(2);
}
if (services.includes(role)) process.argv.splice(2);
await import(new URL(services.includes(role) ? `../packages/${role}/src/main.ts` : '../packages/cli/src/main.ts', import.meta.url).href);

/** A job as a server tells it, on one screen. */
import { ApiError, type Client, type DataOf } from '@millrace/api-contract/client';
import type { CommandCall } from '../command.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { count, size } from '../output.ts';
import { describeEnd } from './follow-server-job.ts';
import { jobIdOf } from './job-ref.ts';
import { withServer } from './server-call.ts';
import { visible } from './table.ts';

type Job = DataOf<'GET /jobs/{jobId}'>;

const shownGroups = 3;
const shownCodes = 5;

export function showOnServer(call: CommandCall): Promise<ExitCode> {
  return withServer(call, async ({ server, client }) => {
    const jobId = await jobIdOf(call.args[0], client);
    const job = await client.call('GET /jobs/{jobId}', { params: { jobId } });
    call.output.document(job);
    if (call.output.json) return exitCodes.done;
    for (const line of describeJob(job, `${server.url}/jobs/${jobId}`)) call.output.line(line);
    for (const line of describeEnd(job)) call.output.line(line);
    for (const line of [...(await rejectLines(job, client)), ...(await errorLines(job, client))]) call.output.line(line);
    call.output.line(`  output ${job.outputUri}   rejects ${job.rejectsUri}`);
    if (job.balance.rejected > 0) call.output.say(`See one: millrace peek ${jobId} --reject 1      All: millrace rejects export ${jobId} -o rejects.csv`);
    return exitCodes.done;
  });
}

function describeJob(job: Job, page: string): string[] {
  const lines = [`${job.name}  ${job.jobId}  ${job.state}, generation ${job.generation}, accepted ${job.acceptedAt}      ${page}`];
  if (job.description !== null) lines.push(`  ${visible(job.description)}`);
  const labels = Object.entries(job.labels).map(([name, value]) => `${name}:${value}`);
  lines.push(
    `  ${count(job.inputs.files)} ${job.inputs.files === 1 ? 'file' : 'files'}, ${size(job.inputs.bytes)}${labels.length === 0 ? '' : `   ${visible(labels.join(' '))}`}`,
  );
  if (job.waitingFor !== null) lines.push(`  waiting: ${job.waitingFor}`);
  const { total, committed, dead, running, retrying } = job.chunks;
  lines.push(`  chunks: ${total} planned${job.sealed ? '' : ' so far'}, ${committed} committed, ${running} running, ${retrying} retrying, ${dead} dead`);
  for (const { budget, subject, value, of, limit } of job.budgets) {
    const used = of === null ? `${value} of ${limit}` : `${((100 * value) / Math.max(1, of)).toFixed(3)} % of ${(100 * limit).toFixed(2)} %`;
    if (value > 0) lines.push(`  budget ${budget}${subject === null ? '' : ` (${visible(subject)})`}: ${used}`);
  }
  return lines;
}

async function rejectLines({ jobId, balance }: Job, client: Client): Promise<string[]> {
  if (balance.rejected === 0) return [];
  const { by } = await client.call('GET /rejects/summary', { query: { q: `job:${jobId}`, by: 'code' } });
  const codes = by.code ?? [];
  const lines = codes.slice(0, shownCodes).map(({ key, rejects }) => `    ${key.padEnd(24)} ${count(rejects).padStart(9)}`);
  return codes.length > shownCodes ? [...lines, `    … ${codes.length - shownCodes} more codes: millrace rejects summary job:${jobId}`] : lines;
}

/** What failed most. While the server counts its failures anew the rest of the screen is worth more than waiting. */
async function errorLines({ jobId, chunks, state }: Job, client: Client): Promise<string[]> {
  if (chunks.dead === 0 && chunks.retrying === 0 && state !== 'failed') return [];
  try {
    const { data } = await client.call('GET /errors', { query: { q: `job:${jobId}`, limit: shownGroups } });
    return data.map(
      (group) => `  error ${group.fingerprint}  ${group.code}  ${count(group.failures)} failed, ${count(group.dead)} dead: ${visible(group.message)}`,
    );
  } catch (error) {
    if (error instanceof ApiError && error.status === 503) return [];
    throw error;
  }
}

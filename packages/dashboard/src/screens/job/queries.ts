/** What is asked about one job; the keys begin alike, so that an event of the job brings all of them up to date. */
import { queryOptions, useQuery } from '@tanstack/react-query';
import { api } from '../../api.ts';
import type { LiveEvent } from '../../live/live.ts';
import { useLiveRefetch } from '../../live/use-live.ts';

export const jobKey = (jobId: string) => ['job', jobId] as const;

export const jobQuery = (jobId: string) =>
  queryOptions({ queryKey: [...jobKey(jobId), 'job'], queryFn: ({ signal }) => api.call('GET /jobs/{jobId}', { params: { jobId } }, { signal }) });

export const stagesQuery = (jobId: string) =>
  queryOptions({ queryKey: [...jobKey(jobId), 'stages'], queryFn: ({ signal }) => api.call('GET /jobs/{jobId}/stages', { params: { jobId } }, { signal }) });

export const filesQuery = (jobId: string, cursor: string | undefined) =>
  queryOptions({
    queryKey: [...jobKey(jobId), 'files', cursor],
    queryFn: ({ signal }) =>
      api.call('GET /jobs/{jobId}/files', { params: { jobId }, query: { limit: 12, ...(cursor === undefined ? {} : { cursor }) } }, { signal }),
  });

export const stripQuery = (jobId: string, of: { readonly file?: number; readonly stage?: string }, cells: number) =>
  queryOptions({
    queryKey: [...jobKey(jobId), 'strip', of.file, of.stage, cells],
    queryFn: ({ signal }) => api.call('GET /jobs/{jobId}/strip', { params: { jobId }, query: { ...of, cells } }, { signal }),
    placeholderData: (old) => old,
  });

export const jobErrorsQuery = (jobId: string) =>
  queryOptions({
    queryKey: [...jobKey(jobId), 'errors'],
    queryFn: ({ signal }) => api.call('GET /errors', { query: { q: `job:${jobId}`, limit: 20 } }, { signal }),
  });

export const timelineQuery = (jobId: string) =>
  queryOptions({
    queryKey: [...jobKey(jobId), 'timeline'],
    queryFn: ({ signal }) => api.call('GET /jobs/{jobId}/timeline', { params: { jobId }, query: { limit: 200 } }, { signal }),
  });

export const specQuery = (jobId: string) =>
  queryOptions({ queryKey: [...jobKey(jobId), 'spec'], queryFn: ({ signal }) => api.call('GET /jobs/{jobId}/spec', { params: { jobId } }, { signal }) });

export const resultQuery = (jobId: string) =>
  queryOptions({ queryKey: [...jobKey(jobId), 'result'], queryFn: ({ signal }) => api.call('GET /jobs/{jobId}/result', { params: { jobId } }, { signal }) });

export const manifestQuery = (jobId: string) =>
  queryOptions({
    queryKey: [...jobKey(jobId), 'manifest'],
    queryFn: ({ signal }) => api.call('GET /jobs/{jobId}/manifest', { params: { jobId } }, { signal }),
  });

/** The job, kept fresh by its events. */
export function useJob(jobId: string) {
  useLiveRefetch([`job:${jobId}`], [jobKey(jobId)], (event) => concernsJob(event, jobId));
  return useQuery(jobQuery(jobId));
}

/** Events come for all topics that any tab asked for: those of other jobs are no reason to fetch. */
function concernsJob({ type, data }: LiveEvent, jobId: string): boolean {
  if (type === 'chunk') return (data as { jobId?: string }).jobId === jobId;
  if (type === 'job') return ((data as { items?: readonly { jobId?: string }[] }).items ?? []).some((item) => item.jobId === jobId);
  return type === 'deadLetter';
}

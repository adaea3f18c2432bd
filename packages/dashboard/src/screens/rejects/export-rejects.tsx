/** The rejects that match as one file, made to be edited and brought back. Taking it is a line of the audit. */
import type { RejectView } from '@millrace/api-contract';
import { api } from '../../api.ts';
import { useAct } from '../../ui/act.tsx';
import { buttonLink } from '../../ui/button.tsx';
import { Popup, PopupItem, PopupNote } from '../../ui/popup.tsx';

const kinds = [
  { media: 'text/csv', ending: 'csv', label: 'CSV, for a spreadsheet' },
  { media: 'application/x-ndjson', ending: 'ndjson', label: 'NDJSON, a line a record' },
] as const;

type Kind = (typeof kinds)[number];

export function ExportRejects({ jobId, q }: { readonly jobId: RejectView['jobId']; readonly q: string }) {
  const act = useAct({
    call: async ({ media, ending }: Kind) => {
      const answer = await api.raw('GET /jobs/{jobId}/rejects', { params: { jobId }, query: { q, content: 'true' } }, { accept: media });
      save(await answer.blob(), `rejects-${jobId}.${ending}`);
    },
    told: () => 'The export is saved. Edit its cells, keep _reject_id, and upload it here.',
  });
  return (
    <Popup className={buttonLink} button={act.isPending ? 'Exporting …' : 'Export'}>
      {(close) => (
        <>
          {kinds.map((kind) => (
            <PopupItem
              key={kind.media}
              onClick={() => {
                close();
                act.mutate(kind);
              }}
            >
              {kind.label}
            </PopupItem>
          ))}
          <PopupNote>{q === '' ? 'All rejects of the job' : 'All that match the filter'}, with their values. Recorded in the audit.</PopupNote>
        </>
      )}
    </Popup>
  );
}

/** The browser keeps large blobs on disk, so that an export need not fit into memory. */
function save(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  window.setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

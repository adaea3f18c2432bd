/** Where an id or a code that somebody pasted leads. Pure. */

export interface Place {
  readonly href: string;
  readonly label: string;
  readonly about: string;
}

const body = '[0-9a-hjkmnp-tv-z]{26}';
const job = new RegExp(`^j${body}$`);
const chunk = new RegExp(`^(j${body})\\.([a-z][a-z0-9]{0,31})\\.(\\d{1,10})$`);
const deadLetter = new RegExp(`^(j${body}\\.[a-z][a-z0-9]{0,31}\\.\\d{1,10})\\.(\\d{1,6})$`);
const reject = new RegExp(`^j${body}\\.[a-z][a-z0-9]{0,31}\\.\\d{1,10}\\.r\\d{1,12}$`);
const operation = new RegExp(`^o${body}$`);
const plan = new RegExp(`^p${body}$`);
const errorGroup = /^fp\d+-[0-9a-f]{16}$/;
const code = /^[A-Z][A-Z0-9]*(_[A-Z0-9]+)+$/;

export function placesOf(text: string): Place[] {
  const chunkMatch = chunk.exec(text);
  if (chunkMatch !== null) return [{ href: chunkHref(chunkMatch), label: 'Open the chunk', about: text }];
  const letterMatch = deadLetter.exec(text);
  if (letterMatch !== null) return [{ href: `/dead?row=${encodeURIComponent(text)}`, label: 'Open the dead letter', about: text }];
  if (reject.test(text)) return [{ href: `/rejects/${encodeURIComponent(text)}`, label: 'Open the reject', about: text }];
  if (job.test(text)) return [{ href: `/jobs/${text}`, label: 'Open the job', about: text }];
  if (operation.test(text)) return [{ href: `/operations/${text}`, label: 'Open the operation', about: text }];
  if (plan.test(text)) return [{ href: `/redrives/new?plan=${text}`, label: 'Open the redrive plan', about: text }];
  if (errorGroup.test(text)) return [{ href: `/errors/${text}`, label: 'Open the error group', about: text }];
  const upper = text.toUpperCase();
  if (code.test(upper) && text.includes('_')) {
    return [
      { href: `/errors?q=${encodeURIComponent(`code:${upper}`)}`, label: `Error groups of ${upper}`, about: 'errors' },
      { href: `/rejects?q=${encodeURIComponent(`code:${upper}`)}`, label: `Rejects of ${upper}`, about: 'rejects' },
    ];
  }
  return text.length < 3
    ? []
    : [{ href: `/jobs?q=${encodeURIComponent(quotedWord(text))}`, label: `Jobs with “${text}”`, about: 'search in id, name and message' }];
}

const chunkHref = ([, jobId, stage, index]: RegExpExecArray): string => `/jobs/${jobId}/chunks/${stage}/${index}`;
const quotedWord = (text: string): string => (/^[\w./@-]+$/.test(text) && !text.startsWith('-') ? text : `"${text.replaceAll(/["\\]/g, '\\$&')}"`);

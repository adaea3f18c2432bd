/** Texts from data, made fit to be shown in one place: shortened so that both ends stay readable, and without letters that steer the screen. Pure. */

/** `j01kbxq3v9m…8t2c`: ids differ at their ends, so the middle goes. */
export function shortenMiddle(text: string, most: number): string {
  const letters = [...text];
  if (letters.length <= most) return text;
  const tail = Math.floor((most - 1) / 2);
  return `${letters.slice(0, most - 1 - tail).join('')}…${letters.slice(letters.length - tail).join('')}`;
}

/** The last piece of a location, which is what tells files apart; the whole when there is none. */
export function fileName(uri: string): string {
  const name = uri.replace(/\/+$/, '').split('/').at(-1) ?? '';
  return name === '' ? uri : name;
}

/**
 * Control characters, and those that turn the direction of writing, as visible marks: text from data must not be able to look like something else.
 * Newline and tab stay where `lines` is set, for texts that are shown over several lines.
 */
export function visibleText(text: string, lines = false): string {
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g, (letter) => {
    if (lines && (letter === '\n' || letter === '\t')) return letter;
    const code = letter.codePointAt(0) ?? 0;
    if (code < 0x20) return String.fromCodePoint(0x2400 + code);
    if (code === 0x7f) return '␡';
    return `⟨${code.toString(16).toUpperCase().padStart(4, '0')}⟩`;
  });
}

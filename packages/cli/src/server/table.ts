/** Rows of text in columns as wide as they need to be; what can be long stands last. Pure. */

export type Cell = string | number | null;

/** Cells are text without line ends; numbers stand to the right, null is a dash. Lines with the header above. */
export function table(header: readonly string[], rows: readonly (readonly Cell[])[]): string[] {
  return tableWriter(header)(rows);
}

/** Lines of rows that come page by page: the header once, columns never narrower than before. */
export function tableWriter(header: readonly string[]): (rows: readonly (readonly Cell[])[]) => string[] {
  const widths = header.map(({ length }) => length);
  const isNumber = header.map(() => true);
  let isFirst = true;
  return (rows) => {
    const cells = rows.map((row) => row.map(textOf));
    for (const [column] of header.entries()) {
      widths[column] = Math.max(widths[column] ?? 0, ...cells.map((row) => row[column]?.length ?? 0));
      isNumber[column] &&= rows.every((row) => typeof row[column] === 'number' || row[column] === null);
    }
    const lineOf = (row: readonly string[]): string =>
      row
        .map((cell, column) => {
          if (isNumber[column]) return cell.padStart(widths[column] ?? 0);
          return column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0);
        })
        .join('  ')
        .trimEnd();
    const lines = [...(isFirst ? [header] : []), ...cells].map(lineOf);
    isFirst = false;
    return lines;
  };
}

const textOf = (cell: Cell): string => (cell === null ? '-' : typeof cell === 'number' ? cell.toLocaleString('en-US') : visible(cell));

/** Text of users at a terminal: control characters are shown, not obeyed. */
export const visible = (text: string): string =>
  text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);

/** An instant as people read it in a column: to the second, in UTC. */
export const at = (instant: string | null): string | null => (instant === null ? null : instant.slice(0, 19).replace('T', ' '));

/** The last step of a path or URI. */
export const baseName = (uri: string): string => uri.slice(uri.lastIndexOf('/') + 1) || uri;

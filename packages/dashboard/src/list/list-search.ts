/** What a list keeps in the address: its filter, its columns, the row whose drawer is open, how it is grouped. */
import { searchTexts } from '../routes.ts';

export const listSearch = searchTexts('q', 'cols', 'row', 'by');
export type ListSearch = ReturnType<typeof listSearch>;

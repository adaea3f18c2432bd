/** For tests: a journal in a directory of its own, over the real core. */
export { startTestJournal, type TestJournal } from './test-journal.ts';

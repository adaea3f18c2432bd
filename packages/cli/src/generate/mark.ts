/** Marks the character that becomes an invalid byte once encoded; it occurs nowhere else in generated data. */
export const INVALID_MARK = '\u0001';

/** A record cut into its fields, those at fault marked. */
import type { RejectDetail } from '@millrace/api-contract';
import { formatNoun } from '../../format/numbers.ts';
import { visibleText } from '../../format/texts.ts';
import styles from './rejects.module.css';

interface RecordFieldsProps {
  readonly fields: NonNullable<RejectDetail['fields']>;
  /** Names of those at fault. */
  readonly columns: readonly string[];
}

export function RecordFields({ fields, columns }: RecordFieldsProps) {
  return (
    <>
      <h3 className={styles.part}>{formatNoun(fields.length, 'field')}</h3>
      <dl className={styles.fields}>
        {fields.map(({ name, value }, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: fields have no other identity, and their order is that of the record
          <div key={index} data-fault={(name !== null && columns.includes(name)) || undefined}>
            <dt>{name === null ? `(no name, number ${index + 1})` : visibleText(name)}</dt>
            <dd>
              <code>{value === '' ? ' ' : visibleText(value)}</code>
            </dd>
          </div>
        ))}
      </dl>
    </>
  );
}

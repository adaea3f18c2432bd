/** A field of a form with its label, hint and error tied to it. */
import { type ComponentProps, type ReactNode, useId } from 'react';
import styles from './field.module.css';

interface FieldProps {
  readonly label: ReactNode;
  readonly hint?: ReactNode;
  readonly error?: string | null;
}

export function TextField({ label, hint, error = null, ...input }: FieldProps & ComponentProps<'input'>) {
  const id = useId();
  return (
    <div className={styles.field}>
      <label htmlFor={id} className={styles.label}>
        {label}
      </label>
      <input {...input} id={id} className={styles.input} aria-invalid={error !== null || undefined} aria-describedby={`${id}-more`} />
      <FieldNotes id={id} hint={hint} error={error} />
    </div>
  );
}

export function AreaField({ label, hint, error = null, ...area }: FieldProps & ComponentProps<'textarea'>) {
  const id = useId();
  return (
    <div className={styles.field}>
      <label htmlFor={id} className={styles.label}>
        {label}
      </label>
      <textarea {...area} id={id} className={styles.input} aria-invalid={error !== null || undefined} aria-describedby={`${id}-more`} />
      <FieldNotes id={id} hint={hint} error={error} />
    </div>
  );
}

interface SelectFieldProps extends FieldProps {
  readonly options: readonly { readonly value: string; readonly label: string }[];
}

export function SelectField({ label, hint, error = null, options, ...select }: SelectFieldProps & ComponentProps<'select'>) {
  const id = useId();
  return (
    <div className={styles.field}>
      <label htmlFor={id} className={styles.label}>
        {label}
      </label>
      <select {...select} id={id} className={styles.input} aria-describedby={`${id}-more`}>
        {options.map(({ value, label: text }) => (
          <option key={value} value={value}>
            {text}
          </option>
        ))}
      </select>
      <FieldNotes id={id} hint={hint} error={error} />
    </div>
  );
}

function FieldNotes({ id, hint, error }: { readonly id: string; readonly hint?: ReactNode; readonly error: string | null }) {
  return (
    <div id={`${id}-more`}>
      {error !== null && (
        <p className={styles.error} role="alert">
          {error}
        </p>
      )}
      {hint !== undefined && <p className={styles.hint}>{hint}</p>}
    </div>
  );
}

export const inputClass: string = styles.input ?? '';

/** The palette on ⌘K: pages, what can be done here by key, and whatever an id or a code leads to. */
import { useNavigate } from '@tanstack/react-router';
import { type KeyboardEvent, useId, useState } from 'react';
import { useDeclaredKeys } from '../keys/keys.ts';
import { Dialog } from '../ui/dialog.tsx';
import { inputClass } from '../ui/field.tsx';
import { navigation } from './navigation.ts';
import styles from './palette.module.css';
import { placesOf } from './palette-places.ts';

interface Entry {
  readonly key: string;
  readonly label: string;
  readonly about: string;
  readonly run: () => void;
}

const most = 12;

export function Palette({ onClose }: { readonly onClose: () => void }) {
  const navigate = useNavigate();
  const declared = useDeclaredKeys();
  const listId = useId();
  const [text, setText] = useState('');
  const [active, setActive] = useState(0);
  const wanted = text.trim().toLowerCase();

  const places: Entry[] = placesOf(text.trim()).map(({ href, label, about }) => ({ key: href, label, about, run: () => void navigate({ href }) }));
  const pages: Entry[] = navigation.map(({ to, label, about, letter }) => ({
    key: to,
    label,
    about: letter === undefined ? about : `${about} · g ${letter}`,
    run: () => void navigate({ to }),
  }));
  const acts: Entry[] = declared
    .filter(({ group, keys }) => group !== 'Go to' && keys !== 'Mod+k' && keys !== '/')
    .map(({ keys, does, group, run }) => ({ key: `act ${keys}`, label: does, about: `${group} · ${keys}`, run: () => run(new KeyboardEvent('keydown')) }));
  const found = [...pages, ...acts].filter(({ label, about }) => wanted === '' || `${label} ${about}`.toLowerCase().includes(wanted));
  const entries = [...places, ...found].slice(0, most);

  const take = (entry: Entry | undefined): void => {
    if (entry === undefined) return;
    onClose();
    window.setTimeout(entry.run);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === 'ArrowDown') setActive((active + 1) % Math.max(1, entries.length));
    else if (event.key === 'ArrowUp') setActive((active + entries.length - 1) % Math.max(1, entries.length));
    else if (event.key === 'Enter') take(entries[active]);
    else return;
    event.preventDefault();
  };

  return (
    <Dialog title="Go to" opened onClose={onClose}>
      <input
        className={inputClass}
        data-autofocus
        placeholder="Page, id of a job, chunk, attempt, reject or operation, error code"
        aria-label="page, id or code"
        role="combobox"
        aria-expanded={entries.length > 0}
        aria-controls={listId}
        aria-activedescendant={`${listId}-${active}`}
        autoComplete="off"
        spellCheck={false}
        value={text}
        onChange={(event) => {
          setText(event.currentTarget.value);
          setActive(0);
        }}
        onKeyDown={onKeyDown}
      />
      <div className={styles.entries} id={listId} role="listbox" aria-label="found">
        {entries.map((entry, index) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the keys are those of the combobox
          <div
            key={entry.key}
            id={`${listId}-${index}`}
            role="option"
            tabIndex={-1}
            aria-selected={index === active}
            className={styles.entry}
            onMouseMove={() => setActive(index)}
            onClick={() => take(entry)}
          >
            <span>{entry.label}</span>
            <span className={styles.about}>{entry.about}</span>
          </div>
        ))}
      </div>
      {entries.length === 0 && <p className={styles.nothing}>Nothing is called that, and it is no id.</p>}
    </Dialog>
  );
}

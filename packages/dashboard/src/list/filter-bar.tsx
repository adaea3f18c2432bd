/** The filter of a list: one line of text in the language of API and command line, with suggestions of fields and values; Enter applies it. */
import { IconFilter, IconX } from '@tabler/icons-react';
import { type KeyboardEvent, useEffect, useId, useRef, useState } from 'react';
import { visibleText } from '../format/texts.ts';
import { useKeys } from '../keys/keys.ts';
import styles from './filter-bar.module.css';
import { type FilterField, suggestionsAt } from './filter-text.ts';

/** How a filter is written, by the fields there are. */
function examplesOf(fields: readonly FilterField[]): string {
  const examples = fields.flatMap(({ name, values }) => (values?.[0] === undefined ? [] : [`${name}:${values[0]}`]));
  return [...examples.slice(0, 3), '"some words"'].join(' ');
}

interface FilterBarProps {
  readonly filter: string;
  /** As the server understood it; null while it is asked. */
  readonly understood: string | null;
  readonly fields: readonly FilterField[];
  readonly onChange: (filter: string) => void;
  readonly label: string;
}

export function FilterBar({ filter, understood, fields, onChange, label }: FilterBarProps) {
  const input = useRef<HTMLInputElement>(null);
  const listId = useId();
  const [text, setText] = useState(filter);
  const [caret, setCaret] = useState<number | null>(null);
  const [active, setActive] = useState(-1);
  useEffect(() => setText(filter), [filter]);
  useKeys([
    {
      keys: '/',
      does: 'Filter',
      group: 'List',
      run: () => {
        input.current?.focus();
        input.current?.select();
      },
    },
  ]);

  const { from, to, suggestions } = caret === null ? { from: 0, to: 0, suggestions: [] } : suggestionsAt(text, caret, fields);
  const shown = suggestions.length > 0;

  const take = (index: number): void => {
    const suggestion = suggestions[index];
    if (suggestion === undefined) return;
    const next = text.slice(0, from) + suggestion.text + text.slice(to);
    const nextCaret = from + suggestion.text.length;
    setText(next);
    setActive(-1);
    setCaret(suggestion.isField ? nextCaret : null);
    window.requestAnimationFrame(() => input.current?.setSelectionRange(nextCaret, nextCaret));
    if (!suggestion.isField) onChange(next.trim());
  };

  const onKeyDown = (event: KeyboardEvent<HTMLInputElement>): void => {
    if (event.key === 'ArrowDown' && shown) setActive((active + 1) % suggestions.length);
    else if (event.key === 'ArrowUp' && shown) setActive(((active + suggestions.length) % (suggestions.length + 1)) - 1);
    else if ((event.key === 'Enter' || event.key === 'Tab') && active >= 0) take(active);
    else if (event.key === 'Enter') {
      setCaret(null);
      onChange(text.trim());
      input.current?.blur();
    } else if (event.key === 'Escape') {
      if (shown) setCaret(null);
      else {
        setText(filter);
        input.current?.blur();
      }
    } else return;
    event.preventDefault();
  };

  return (
    <div className={styles.bar} role="search">
      <IconFilter size={15} stroke={1.9} aria-hidden className={styles.icon} />
      <input
        ref={input}
        className={styles.input}
        value={text}
        placeholder={examplesOf(fields)}
        spellCheck={false}
        autoComplete="off"
        autoCapitalize="none"
        maxLength={4_096}
        role="combobox"
        aria-label={label}
        aria-expanded={shown}
        aria-controls={listId}
        aria-autocomplete="list"
        aria-activedescendant={active >= 0 ? `${listId}-${active}` : undefined}
        onChange={(event) => {
          setText(event.currentTarget.value);
          setCaret(event.currentTarget.selectionStart);
          setActive(-1);
        }}
        onFocus={(event) => setCaret(event.currentTarget.value.length)}
        onSelect={(event) => {
          const { selectionStart } = event.currentTarget;
          setCaret((old) => (old === null ? null : selectionStart));
        }}
        onBlur={() => setCaret(null)}
        onKeyDown={onKeyDown}
      />
      {text !== '' && (
        <button
          type="button"
          className={styles.clear}
          aria-label="remove the filter"
          onClick={() => {
            setText('');
            onChange('');
          }}
        >
          <IconX size={14} aria-hidden />
        </button>
      )}
      <div id={listId} className={styles.suggestions} aria-label="suggestions" role="listbox" hidden={!shown}>
        {suggestions.map((suggestion, index) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the keys are those of the combobox
          <div
            key={suggestion.text}
            id={`${listId}-${index}`}
            className={styles.suggestion}
            role="option"
            tabIndex={-1}
            aria-selected={index === active}
            onMouseDown={(event) => event.preventDefault()}
            onClick={() => take(index)}
          >
            <code>{suggestion.text}</code>
            <span>{suggestion.about}</span>
          </div>
        ))}
      </div>
      {understood !== null && understood !== filter && (
        <p className={styles.understood}>
          understood as <code>{visibleText(understood)}</code>
        </p>
      )}
    </div>
  );
}

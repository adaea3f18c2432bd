/** All keys that work on this page, by group. */
import { Dialog } from '../ui/dialog.tsx';
import { useDeclaredKeys } from './keys.ts';
import styles from './keys-help.module.css';

export function KeysHelp({ onClose }: { readonly onClose: () => void }) {
  const declared = useDeclaredKeys();
  const groups = new Map<string, Map<string, string[]>>();
  for (const { group, does, keys } of declared) {
    const byWhat = groups.get(group) ?? new Map<string, string[]>();
    const all = byWhat.get(does) ?? [];
    if (!all.includes(keys)) byWhat.set(does, [...all, keys]);
    groups.set(group, byWhat);
  }
  return (
    <Dialog title="Keys" opened onClose={onClose} wide>
      <div className={styles.groups}>
        {[...groups].map(([group, lines]) => (
          <section key={group}>
            <h3>{group}</h3>
            <dl className={styles.lines}>
              {[...lines].map(([does, keys]) => (
                <div key={does}>
                  <dt>
                    {keys.map((key) => (
                      <kbd key={key}>{shown(key)}</kbd>
                    ))}
                  </dt>
                  <dd>{does}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
      <p className={styles.foot}>Keys work while no field has the focus. Single-letter keys can be switched off in the menu of your name.</p>
    </Dialog>
  );
}

const shown = (keys: string): string => keys.replace('Mod+', '⌘/Ctrl ').replace('Shift+', '⇧ ').replace('Escape', 'Esc');

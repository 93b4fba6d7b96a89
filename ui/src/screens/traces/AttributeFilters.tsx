import { Autocomplete, CloseButton } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { type FormEvent, useRef, useState } from 'react';
import { Outside } from '~/components/Outside';
import { type AttributeFilter, formatAttributeFilter, parseAttributeFilter } from '~/data/attributeFilter';
import { suggestAttributeKeys, suggestAttributeValues } from '~/data/suggest';
import { cut, visibleLine } from '~/format/outside';
import type { Interval } from '~/time/range';
import classes from './FilterBar.module.css';
import type { Problem } from './question';

interface Props {
  /** As they stand in the address, wrong ones included. */
  value: readonly string[];
  problems: readonly Problem[];
  /** Where suggestions are taken from. */
  interval: Interval;
  onChange: (attributes: string[]) => void;
}

const MOST_SHOWN = 60;

/** Conditions on attributes: one is written at a time, those that hold are chips. */
export function AttributeFilters({ value, problems, interval, onChange }: Props) {
  const [draft, setDraft] = useState('');
  const [problem, setProblem] = useState<string>();
  const [isOpen, setOpen] = useState(false);
  const [asked, setAsked] = useState(false);
  const suggestions = useSuggestions(draft, interval, asked);
  // After an option is chosen the box takes its text and closes the list at once; what has been made of it stands.
  const isChosen = useRef(false);

  const add = (text: string) => {
    const parsed = parseAttributeFilter(text);
    if (parsed.problem !== undefined) return setProblem(parsed.problem);
    const written = formatAttributeFilter(parsed.value);
    setDraft('');
    setProblem(undefined);
    setOpen(false);
    if (!value.includes(written)) onChange([...value, written]);
  };
  const choose = (option: string) => {
    isChosen.current = true;
    queueMicrotask(() => {
      isChosen.current = false;
    });
    if (!suggestions.areKeys) return add(option);
    // The key is there; its value comes next.
    setDraft(option);
  };
  const change = (text: string) => {
    if (isChosen.current) return;
    setDraft(text);
    setProblem(undefined);
  };
  const close = () => {
    if (isChosen.current && suggestions.areKeys) return;
    setOpen(false);
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (draft.trim()) add(draft);
  };
  return (
    <div className={classes.attributes}>
      <form onSubmit={submit}>
        <Autocomplete
          size="xs"
          label="Attributes"
          placeholder="key=value, key!=value, key~regex, key>5, key"
          value={draft}
          data={suggestions.options}
          filter={({ options }) => options}
          dropdownOpened={isOpen}
          onDropdownOpen={() => setOpen(true)}
          onDropdownClose={close}
          error={problem}
          maxLength={5000}
          comboboxProps={{ width: 'max-content', position: 'bottom-start', shadow: 'sm' }}
          autoComplete="off"
          spellCheck={false}
          onFocus={() => setAsked(true)}
          onChange={change}
          onOptionSubmit={choose}
        />
      </form>
      <Chips value={value} problems={problems} onRemove={(text) => onChange(value.filter((item) => item !== text))} />
    </div>
  );
}

function Chips(props: { value: readonly string[]; problems: readonly Problem[]; onRemove: (text: string) => void }) {
  const { value, problems, onRemove } = props;
  if (value.length === 0) return null;
  return (
    <ul className={classes.chips} aria-label="Conditions on attributes">
      {[...new Set(value)].map((text) => {
        const problem = problems.find((problem) => problem.field === 'attribute' && problem.text === text)?.problem;
        return (
          <li key={text} className={classes.condition}>
            <span className={classes.chip} data-wrong={problem ? '' : undefined}>
              <Outside line text={text} limit={120} />
              <CloseButton
                size={18}
                radius="xl"
                aria-label={`Remove ${visibleLine(cut(text, 100))}`}
                onClick={() => onRemove(text)}
              />
            </span>
            {problem && (
              <p className={classes.wrong} role="alert">
                {problem}
              </p>
            )}
          </li>
        );
      })}
    </ul>
  );
}

/** Keys while a key is written, then its values. */
function useSuggestions(draft: string, interval: Interval, enabled: boolean): { options: string[]; areKeys: boolean } {
  const filter = comparedBy(draft);
  const keys = useQuery({
    queryKey: ['suggest', 'keys', interval],
    queryFn: ({ signal }) => suggestAttributeKeys(interval, signal),
    enabled: enabled && !filter,
  });
  const key = filter?.key ?? '';
  const values = useQuery({
    queryKey: ['suggest', 'values', interval, key],
    queryFn: ({ signal }) => suggestAttributeValues({ interval, key }, signal),
    enabled: enabled && filter !== undefined,
  });
  if (!filter) {
    const part = draft.trim().toLowerCase();
    const fitting = (keys.data ?? []).filter((key) => key.toLowerCase().includes(part));
    const options = fitting.map((key) => `${formatAttributeFilter({ key, operator: 'exists' })}=`);
    return { options: options.slice(0, MOST_SHOWN), areKeys: true };
  }
  const part = filter.value.toLowerCase();
  const fitting = (values.data ?? []).filter((value) => value.toLowerCase().includes(part));
  const options = fitting.map((value) => formatAttributeFilter({ ...filter, value }));
  return { options: options.slice(0, MOST_SHOWN), areKeys: false };
}

/** What is written, as soon as its key is finished and compared for being equal or not. */
function comparedBy(draft: string): (AttributeFilter & { operator: '=' | '!='; value: string }) | undefined {
  const whole = parseAttributeFilter(draft).value ?? parseAttributeFilter(`${draft}""`).value;
  if (!whole || whole.operator === 'exists') return undefined;
  const { key, operator, value } = whole;
  return operator === '=' || operator === '!=' ? { key, operator, value } : undefined;
}

import { TagsInput } from '@mantine/core';
import classes from './FilterBar.module.css';

interface Props {
  value: readonly string[];
  known: readonly string[] | undefined;
  onOpen: () => void;
  onChange: (services: string[]) => void;
}

/** The services a span may be of: chosen from those that are there, or typed. */
export function ServicesInput({ value, known, onOpen, onChange }: Props) {
  return (
    <TagsInput
      className={classes.services ?? ''}
      size="xs"
      label="Service"
      placeholder={value.length === 0 ? 'any' : ''}
      value={[...value]}
      data={[...(known ?? [])]}
      limit={100}
      maxTags={50}
      splitChars={[]}
      isDuplicate={(service, services) => services.includes(service)}
      comboboxProps={{ width: 'max-content', position: 'bottom-start', shadow: 'sm' }}
      autoComplete="off"
      spellCheck={false}
      onFocus={onOpen}
      onChange={onChange}
    />
  );
}

import { Outside } from '~/components/Outside';
import { type AttributeValue, valueText } from '~/data/attributes';
import classes from './Panel.module.css';

const WORDS: Record<AttributeValue['type'], string> = {
  string: 'text',
  bool: 'true or false',
  int: 'whole number',
  double: 'number',
  bytes: 'bytes in base64',
  array: 'list',
  map: 'map',
  empty: 'no value',
};

const LIMIT = 600;

/** A value with its type to be seen: numbers, truths and structures look different from text. */
export function Value({ value }: { value: AttributeValue }) {
  if (value.type === 'empty' || (value.type === 'string' && value.text === '')) {
    return <span className={classes.empty}>{value.type === 'empty' ? 'no value' : 'empty text'}</span>;
  }
  const isLong = value.type === 'array' || value.type === 'map';
  return (
    <span className={classes[value.type] ?? ''} title={WORDS[value.type]}>
      <Outside text={valueText(value, isLong ? 2 : undefined)} limit={LIMIT} />
    </span>
  );
}

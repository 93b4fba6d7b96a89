/** Attributes in groups that belong together, by what stands before the first dot of their key. */

import { type Attribute, byKey } from '~/data/attributes';

export interface Group {
  /** `http`, `db`, …; empty for what stands alone. */
  prefix: string;
  attributes: Attribute[];
}

/** Groups smaller than this are not worth a heading. */
const LEAST = 2;

/** By prefix, sorted; keys without a prefix, and lone ones, come last in a group of their own. */
export function grouped(attributes: readonly Attribute[]): Group[] {
  const sorted = attributes.toSorted(byKey);
  const groups = new Map<string, Attribute[]>();
  for (const attribute of sorted) {
    const dot = attribute.key.indexOf('.');
    const prefix = dot > 0 ? attribute.key.slice(0, dot) : '';
    const group = groups.get(prefix);
    if (group) group.push(attribute);
    else groups.set(prefix, [attribute]);
  }
  const named: Group[] = [];
  const others: Attribute[] = [];
  for (const [prefix, attributes] of groups) {
    if (prefix !== '' && attributes.length >= LEAST) named.push({ prefix, attributes });
    else others.push(...attributes);
  }
  others.sort(byKey);
  return others.length > 0 ? [...named, { prefix: '', attributes: others }] : named;
}

import { IconArrowDownRight, IconArrowUpRight, IconMailForward, IconMailOpened } from '@tabler/icons-react';

const ICONS = [undefined, undefined, IconArrowDownRight, IconArrowUpRight, IconMailForward, IconMailOpened] as const;
const WORDS = ['', '', 'server', 'client', 'producer', 'consumer'] as const;

/** What a span is to others: it answers, asks, sends or receives. Nothing for work inside a service. */
export function KindIcon({ kind }: { kind: number }) {
  const Icon = ICONS[kind];
  return Icon ? <Icon size={13} stroke={1.6} role="img" aria-label={WORDS[kind]} /> : null;
}

import { Title } from '@mantine/core';

export function Trace() {
  return <Title order={1}>Trace</Title>;
}

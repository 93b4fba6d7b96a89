import { Title } from '@mantine/core';

export function Traces() {
  return <Title order={1}>Traces</Title>;
}

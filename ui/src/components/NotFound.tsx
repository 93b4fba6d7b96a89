import { Anchor } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { Empty } from '~/components/states';

export function NotFound() {
  return (
    <Empty title="There is nothing at this address" order={1}>
      <Anchor component={Link} to="/">
        Go to the services
      </Anchor>
    </Empty>
  );
}

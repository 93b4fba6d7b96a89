import { AppShell, Group, Text } from '@mantine/core';
import { Link, Outlet } from '@tanstack/react-router';
import { useEffect } from 'react';
import { setTenant } from '~/api/http';
import { TimeProvider } from '~/time/TimeProvider';
import { useTimeSearch } from '~/time/useTime';

/** The frame around every screen. */
export function Shell() {
  const { tenant } = useTimeSearch();
  useEffect(() => setTenant(tenant), [tenant]);
  return (
    <TimeProvider>
      <AppShell header={{ height: 52 }} padding="md">
        <AppShell.Header>
          <Group h="100%" px="md" gap="lg">
            <Text component={Link} to="/" fw={700}>
              Trefoil
            </Text>
            <Link to="/">Services</Link>
            <Link to="/traces">Traces</Link>
          </Group>
        </AppShell.Header>
        <AppShell.Main>
          <Outlet />
        </AppShell.Main>
      </AppShell>
    </TimeProvider>
  );
}

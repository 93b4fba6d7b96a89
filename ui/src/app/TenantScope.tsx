import { Container } from '@mantine/core';
import { QueryClientProvider } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import { setTenant } from '~/api/http';
import { createQueryClient } from '~/app/queries';
import { isTenant } from '~/app/tenant';
import { Failure } from '~/components/states';

/**
 * Everything that asks stands within: requests name this tenant, and what was answered to another is not at hand. Rendered
 * with the tenant as its key, so that another tenant starts from nothing.
 */
export function TenantScope({ tenant, children }: { tenant: string | undefined; children: ReactNode }) {
  const [client] = useState(() => {
    // Here and not in an effect: the first questions are asked by the effects of what is inside, which come before ours.
    setTenant(tenant && isTenant(tenant) ? tenant : undefined);
    return createQueryClient();
  });
  if (tenant && !isTenant(tenant)) {
    return (
      <Container py="xl">
        <Failure
          title="There can be no such tenant"
          error={
            new Error(
              `The address names the tenant “${tenant.slice(0, 40)}”. A tenant’s name has 1 to 150 letters, digits and ! - _ . * ' ( ).`,
            )
          }
        />
      </Container>
    );
  }
  return <QueryClientProvider client={client}>{children}</QueryClientProvider>;
}

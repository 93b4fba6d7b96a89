/** What the server says of itself (`GET /api/v1/status`). */

import * as v from 'valibot';
import type { Described } from '~/api/described';
import type { components } from '~/api/generated';
import { ApiError, requestJson } from '~/api/http';

const Status = v.object({
  version: v.string(),
  tenancy: v.object({ enabled: v.boolean() }),
  /** Where OTLP is taken: listening addresses, and whether the main listener takes it under `/otlp`. */
  otlp: v.object({ grpc: v.nullable(v.string()), http: v.nullable(v.string()), main: v.boolean() }),
});

export type Status = Described<typeof Status, components['schemas']['Status']>;

export async function fetchStatus(signal?: AbortSignal): Promise<Status> {
  const status = v.safeParse(Status, await requestJson('/api/v1/status', { signal, timeout: 10_000 }));
  if (!status.success) throw new ApiError('broken', 'The server does not say what it is.');
  return status.output;
}

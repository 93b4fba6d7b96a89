/**
 * Every request to the server goes through here: one place for time limits, the tenant, and what can go wrong.
 */

/** What went wrong, as far as the reader can do something about it. */
export type FailureKind =
  /** Nobody answers: the server is down or the network is. */
  | 'away'
  /** No answer within the time limit. */
  | 'timeout'
  /** The server answered with an error. */
  | 'refused'
  /** The answer ended too early or is not what it should be. */
  | 'broken';

export class ApiError extends Error {
  override readonly name = 'ApiError';

  constructor(
    readonly kind: FailureKind,
    message: string,
    /** The HTTP status, where there was an answer. */
    readonly status?: number,
    /** The server's own word for the error (`invalid_query`, `not_found`, …). */
    readonly code?: string,
  ) {
    super(message);
  }

  /** Whether asking again later may help. */
  get isPassing(): boolean {
    if (this.kind !== 'refused') return true;
    return this.status === 429 || (this.status ?? 0) >= 500;
  }
}

export interface RequestOptions {
  signal?: AbortSignal | undefined;
  /** Milliseconds until the request is given up, the reading of its answer included. */
  timeout?: number;
  method?: 'GET' | 'POST';
  body?: string;
  headers?: Record<string, string>;
}

export const DEFAULT_TIMEOUT = 30_000;

/** Where the server is multi-tenant, the tenant that every request names (from the address bar). */
let tenant: string | undefined;

export function setTenant(name: string | undefined): void {
  tenant = name;
}

/** The body of a successful answer, as text; an [[ApiError]] otherwise. A request that was given up rejects with its signal's reason. */
export async function requestText(path: string, options: RequestOptions = {}): Promise<string> {
  const limit = AbortSignal.timeout(options.timeout ?? DEFAULT_TIMEOUT);
  const signal = options.signal ? AbortSignal.any([options.signal, limit]) : limit;
  const failed = (kind: FailureKind, message: string): unknown => {
    if (options.signal?.aborted) return options.signal.reason;
    if (limit.aborted) {
      return new ApiError('timeout', `No answer within ${(options.timeout ?? DEFAULT_TIMEOUT) / 1000} seconds.`);
    }
    return new ApiError(kind, message);
  };

  let response: Response;
  try {
    response = await fetch(path, {
      method: options.method ?? 'GET',
      headers: { ...options.headers, ...(tenant ? { 'X-Scope-OrgID': tenant } : {}) },
      ...(options.body === undefined ? {} : { body: options.body }),
      credentials: 'same-origin',
      signal,
    });
  } catch {
    throw failed('away', 'The server does not answer.');
  }
  let text: string;
  try {
    text = await response.text();
  } catch {
    throw failed('broken', 'The answer ended too early.');
  }
  if (!response.ok) throw refusal(response.status, text);
  return text;
}

/** The JSON of a successful answer. What it holds is for the caller to check. */
export async function requestJson(path: string, options: RequestOptions = {}): Promise<unknown> {
  const text = await requestText(path, { ...options, headers: { Accept: 'application/json', ...options.headers } });
  try {
    return JSON.parse(text);
  } catch {
    throw new ApiError('broken', 'The answer is not whole: its JSON ends too early or is damaged.');
  }
}

/** The longest text of a foreign error that is worth showing. */
const LONGEST_MESSAGE = 2000;

function refusal(status: number, text: string): ApiError {
  const { code, message } = errorBody(text);
  return new ApiError('refused', message ?? `The server answered with status ${status}.`, status, code);
}

function errorBody(text: string): { code?: string; message?: string } {
  try {
    const body: unknown = JSON.parse(text);
    if (typeof body === 'object' && body !== null && 'error' in body) {
      const { error } = body;
      if (typeof error === 'string') return { message: error.slice(0, LONGEST_MESSAGE) };
      if (typeof error === 'object' && error !== null) {
        const code = 'code' in error && typeof error.code === 'string' ? { code: error.code } : {};
        const message =
          'message' in error && typeof error.message === 'string'
            ? { message: error.message.slice(0, LONGEST_MESSAGE) }
            : {};
        return { ...code, ...message };
      }
    }
  } catch {
    // Not JSON: a proxy's page, or plain text.
  }
  const plain = text.trim();
  return plain && !plain.startsWith('<') ? { message: plain.slice(0, LONGEST_MESSAGE) } : {};
}

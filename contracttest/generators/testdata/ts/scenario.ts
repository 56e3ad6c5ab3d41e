// The scenario that each generated client must pass against the handler. For each generator an adapter implements Api with its client.
import type { components } from './openapi-typescript.gen.js';

type Schemas = components['schemas'];
export type Body = Schemas['CreateCheckoutRequest'];
export type Session = Schemas['Session'];
export type Page = Schemas['SessionPage'];
export type Problem = Schemas['Problem'];

// Answer has the status, the body and the ETag of an answer. data is undefined if there is no body.
export type Answer<T> = { status: number; data: T | Problem | undefined; etag: string | null };

export interface Api {
  create(token: string, key: string, body: Body): Promise<Answer<Session>>;
  get(id: string, headers: { 'If-None-Match'?: string; Prefer?: string }): Promise<Answer<Session>>;
  cancel(id: string): Promise<Answer<Session>>;
  list(query: { limit?: number; cursor?: string }): Promise<Answer<Page>>;
  events(id: string): Promise<Answer<Schemas['EventList']>>;
}

declare const process: { argv: string[] };
export const base: string = process.argv[2]!;
export const token: string = process.argv[3]!;

function expect(what: string, got: unknown, want: unknown): void {
  if (got !== want) throw new Error(`${what}: got ${String(got)}, want ${String(want)}`);
}

function ok<T extends object>(what: string, answer: Answer<T>, status: number): T {
  expect(what, answer.status, status);
  if (answer.data === undefined || 'code' in answer.data) throw new Error(`${what}: ${JSON.stringify(answer.data)}`);
  return answer.data as T;
}

function refused<T extends object>(what: string, answer: Answer<T>, status: number, code: Problem['code']): Problem {
  expect(what, answer.status, status);
  const problem = answer.data as Problem;
  expect(what, problem.code, code);
  return problem;
}

export async function run(api: Api): Promise<void> {
  const key = crypto.randomUUID();
  const body: Body = { amount: 5000, currency: 'XOF', user_phone: '+2250707987654', metadata: { size: 'L' } };
  const first = await api.create(token, key, body);
  const session = ok('create', first, 201);
  expect('amount', session.amount, 5000);
  expect('completed_at', session.completed_at, null);
  expect('metadata', session.metadata?.['size'], 'L');
  expect('replay', ok('replay', await api.create(token, key, body), 200).id, session.id);
  const reused = refused('reuse', await api.create(token, key, { ...body, amount: 5001 }), 422, 'idempotency_key_reused');
  expect('pointer', reused.errors?.[0]?.pointer, '#/amount');
  const invalid = refused('refusal', await api.create(token, crypto.randomUUID(), { ...body, amount: 1 }), 400, 'validation_failed');
  expect('fault', invalid.errors?.[0]?.code, 'out_of_range');
  refused('no UUID', await api.create(token, 'order-1', body), 400, 'idempotency_key_invalid');
  refused('token', await api.create('other', key, body), 401, 'unauthorized');
  refused('not found', await api.get('cs_ci_0', {}), 404, 'not_found');
  refused('query', await api.list({ limit: 101 }), 400, 'invalid_query');

  ok('card', await api.create(token, crypto.randomUUID(), {
    amount: 1000, currency: 'usd', payment_method: 'card', success_url: 'https://shop.example/ok', cancel_url: 'https://shop.example/no',
  }), 201);
  const seen = new Set<string>();
  for (let cursor: string | undefined; ; ) {
    const page = ok('list', await api.list(cursor ? { limit: 1, cursor } : { limit: 1 }), 200);
    page.sessions.forEach((s) => seen.add(s.id));
    if (page.next_cursor === null) break;
    cursor = page.next_cursor;
  }
  expect('listed', seen.has(session.id), true);

  const etag = first.etag ?? '';
  expect('not modified', (await api.get(session.id, { 'If-None-Match': etag })).status, 304);
  const wait = api.get(session.id, { 'If-None-Match': etag, Prefer: 'wait=30' });
  expect('cancelled', ok('cancel', await api.cancel(session.id), 200).status, 'cancelled');
  expect('waited', ok('wait', await wait, 200).status, 'cancelled');
  const { events } = ok('events', await api.events(session.id), 200);
  expect('events', events.map((e) => e.type).join(), 'checkout.created,checkout.cancelled');
}

import { cancelCheckout, createCheckout, getCheckout, listCheckoutEvents, listCheckouts } from './orval.gen.js';
import { base, run, token, type Answer, type Problem } from './scenario.js';

// orval writes the server's address into the generated code, so it is replaced here, when a request is sent.
const direct = globalThis.fetch;
globalThis.fetch = (url, init) => direct(String(url).replace('http://server.invalid', base), init);

const authorized = { Authorization: `Bearer ${token}` };
const answer = <T extends object>(r: { status: number; data: T | Problem | void; headers: Headers }): Answer<T> => ({
  status: r.status, data: r.data ?? undefined, etag: r.headers.get('ETag'),
});

await run({
  create: async (token, key, body) => answer(await createCheckout(body, { headers: { Authorization: `Bearer ${token}`, 'Idempotency-Key': key } })),
  get: async (id, headers) => answer(await getCheckout(id, { headers: { ...authorized, ...headers } })),
  cancel: async (id) => answer(await cancelCheckout(id, { headers: authorized })),
  list: async (query) => answer(await listCheckouts(query, { headers: authorized })),
  events: async (id) => answer(await listCheckoutEvents(id, { headers: authorized })),
});

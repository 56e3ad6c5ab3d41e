import { cancelCheckout, createCheckout, getCheckout, listCheckoutEvents, listCheckouts } from './orval.gen.js';
import { base, run, token } from './scenario.js';

// orval takes the server's address when it generates.
const direct = globalThis.fetch;
globalThis.fetch = (url, init) => direct(String(url).replace('http://server.invalid', base), init);

const authorized = { Authorization: `Bearer ${token}` };
const answer = <D>(r: { status: number; data: D; headers: Headers }) => ({ ...r, etag: r.headers.get('ETag') });

await run({
  create: async (token, key, body) => answer(await createCheckout(body, { headers: { Authorization: `Bearer ${token}`, 'Idempotency-Key': key } })),
  get: async (id, headers) => answer(await getCheckout(id, { headers: { ...authorized, ...headers } })),
  cancel: async (id) => answer(await cancelCheckout(id, { headers: authorized })),
  list: async (query) => answer(await listCheckouts(query, { headers: authorized })),
  events: async (id) => answer(await listCheckoutEvents(id, { headers: authorized })),
});

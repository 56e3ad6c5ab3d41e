import { cancelCheckout, createCheckout, getCheckout, listCheckoutEvents, listCheckouts } from './hey/sdk.gen.js';
import { client } from './hey/client.gen.js';
import { base, run, token } from './scenario.js';

let current = token;
client.setConfig({ baseUrl: base, auth: () => current });
const answer = <D, E>(r: { data?: D; error?: E; response?: Response }) => ({
  status: r.response?.status ?? 0, data: r.data ?? r.error, etag: r.response?.headers.get('ETag') ?? null,
});

await run({
  create: async (token, key, body) => {
    const before = current;
    current = token;
    try {
      return answer(await createCheckout({ body, headers: { 'Idempotency-Key': key } }));
    } finally {
      current = before;
    }
  },
  get: async (id, headers) => answer(await getCheckout({ path: { id }, headers })),
  cancel: async (id) => answer(await cancelCheckout({ path: { id } })),
  list: async (query) => answer(await listCheckouts({ query })),
  events: async (id) => answer(await listCheckoutEvents({ path: { id } })),
});

import createClient from 'openapi-fetch';
import type { paths } from './openapi-typescript.gen.js';
import { base, run, token } from './scenario.js';

const api = createClient<paths>({ baseUrl: base, headers: { Authorization: `Bearer ${token}` } });
const answer = <D, E>(r: { data?: D; error?: E; response: Response }) => ({
  status: r.response.status, data: r.data ?? r.error, etag: r.response.headers.get('ETag'),
});

await run({
  create: async (token, key, body) => answer(await api.POST('/v1/checkouts', {
    params: { header: { 'Idempotency-Key': key } }, headers: { Authorization: `Bearer ${token}` }, body,
  })),
  get: async (id, header) => answer(await api.GET('/v1/checkouts/{id}', { params: { path: { id }, header } })),
  cancel: async (id) => answer(await api.POST('/v1/checkouts/{id}/cancel', { params: { path: { id } } })),
  list: async (query) => answer(await api.GET('/v1/checkouts', { params: { query } })),
  events: async (id) => answer(await api.GET('/v1/checkouts/{id}/events', { params: { path: { id } } })),
});

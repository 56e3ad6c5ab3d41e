export default {
  checkout: {
    input: './openapi.yaml',
    output: { target: './ts/orval.gen.ts', client: 'fetch', baseUrl: 'http://server.invalid' },
  },
};

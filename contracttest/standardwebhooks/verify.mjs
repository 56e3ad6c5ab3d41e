// Verifies deliveries, each a line of JSON on standard input, with the library that receivers in JavaScript use.
import { createInterface } from "node:readline";
import { Webhook } from "standardwebhooks";

for await (const line of createInterface({ input: process.stdin })) {
  const { secret, headers, body } = JSON.parse(line);
  try {
    const event = new Webhook(secret).verify(body, headers);
    console.log(`${event.type} ${event.sequence}`);
  } catch (fault) {
    console.log(`refused: ${fault.message}`);
  }
}

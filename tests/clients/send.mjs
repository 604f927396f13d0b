// Sends events with Segment's library for Node, as shipped: send.mjs CONFIG, as tests/clients/libraries.py makes it.
// Prints {"failed": events that the library gave up}.

import { createRequire } from "node:module";

const config = JSON.parse(process.argv[2]);
const { Analytics } = createRequire(config.modules)("@segment/analytics-node");
const EVENTS_IN_A_STEP = 100;

const analytics = new Analytics({
  writeKey: config.key,
  host: config.url,
  flushAt: 100,
  flushInterval: 500,
  maxRetries: config.retries,
});
let failed = 0;
analytics.on("error", () => (failed += 1));

for (let number = 0; number < config.events; number += 1) {
  analytics.track({ userId: `${config.prefix}-${number}`, event: "Report Shared", properties: { number } });
  if (number % EVENTS_IN_A_STEP === EVENTS_IN_A_STEP - 1) {
    await new Promise((resolve) => setTimeout(resolve, config.pause * 1000));
  }
}
await analytics.closeAndFlush({ timeout: config.seconds * 1000 });
console.log(JSON.stringify({ failed }));

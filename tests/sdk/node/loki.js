// What `test_loki_clients.py` looks for, by transports of winston and pino for Loki; the argument is Loki's address.
import pino from "pino";
import winston from "winston";
import LokiTransport from "winston-loki";

const [loki] = process.argv.slice(2);
const failed = (error) => {
  console.error(error);
  process.exit(1);
};

for (const json of [true, false]) {
  const transport = new LokiTransport({
    host: loki,
    labels: { app: `winston-loki-${json ? "json" : "protobuf"}` },
    json,
    format: winston.format.json(),
    replaceTimestamp: false,
    gracefulShutdown: false,
    onConnectionError: failed,
  });
  const logger = winston.createLogger({ level: "debug", transports: [transport] });
  logger.info("order 7 received", { "order.number": "7", total: 12.5, labels: { till: "1" } });
  logger.warn('stock is low: "naïve" ☕');
  logger.error("card was declined", { exception: "no money" });
  // What was logged reaches the transport in a later turn.
  await new Promise((resolve) => logger.once("finish", resolve).end());
  await transport.close();
}

const transport = pino.transport({
  target: "pino-loki",
  options: { host: loki, labels: { app: "pino-loki" }, propsToLabels: ["till"], batching: { interval: 1 }, silenceErrors: false },
});
const logger = pino({ level: "debug" }, transport);
logger.info({ till: "1", total: 12.5, meta: { "order.number": 7 } }, "order 7 received");
logger.warn('stock is low: "naïve" ☕');
logger.error(new RangeError("no money"), "card was declined");
transport.end();

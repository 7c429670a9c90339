// Where the broker is. The programs beside this file read like first programs; this is the rest.

import amqplib from 'amqplib';

/** Opens a connection to the broker named by AMQP_HOST and AMQP_PORT. */
export function connect() {
  const { AMQP_HOST = '127.0.0.1', AMQP_PORT = '5672' } = process.env;
  return amqplib.connect(`amqp://${AMQP_HOST}:${AMQP_PORT}`);
}

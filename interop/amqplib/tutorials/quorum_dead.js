// Prints what has been taken away from the quorum queue, and why.

import { connect, declareQuorum } from './broker.js';

const channel = await (await connect()).createChannel();
await declareQuorum(channel);
const print = ({ content, properties }) => {
  console.log(`dead ${content}: ${properties.headers['x-death'][0].reason}`);
};
await channel.consume('tutorial.quorum.dead', print, { noAck: true });
console.log('waiting');

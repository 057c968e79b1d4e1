'use strict';
// The infrastructure services of the platform, and the one method that they all have here: it tells
// which pod answered.

const grpc = require('@grpc/grpc-js');

const json = {
  to: (value) => Buffer.from(JSON.stringify(value)),
  from: (bytes) => JSON.parse(bytes),
};

const INFRA = {
  whoAmI: {
    path: '/isa.cloud.Infra/WhoAmI',
    requestStream: false,
    responseStream: false,
    requestSerialize: json.to,
    requestDeserialize: json.from,
    responseSerialize: json.to,
    responseDeserialize: json.from,
  },
};
const Client = grpc.makeGenericClientConstructor(INFRA, 'Infra');

// Ask the server at "address:port"; {id, address} of the pod.
function whoAmI(target) {
  const client = new Client(target, grpc.credentials.createInsecure());
  return new Promise((resolve, reject) => {
    client.whoAmI({}, { deadline: Date.now() + 5000 }, (e, answer) => {
      client.close();
      if (e) {
        reject(e);
      } else {
        resolve(answer);
      }
    });
  });
}

module.exports = { INFRA, whoAmI };

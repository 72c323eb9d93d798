function (user, context, callback) {
  const request = require('request');
  const send = (options, next) => request(Object.assign({ url: 'https://api.example.com/q?x=1&x=2' }, options), (error) => (error ? callback(error) : next()));
  const qs = { list: ['a b', "c'd"], none: null, n: 1, yes: true };
  send({ qs, useQuerystring: true }, () =>
    send({ qs, qsStringifyOptions: { arrayFormat: 'repeat' } }, () =>
      send({ qs, qsStringifyOptions: { arrayFormat: 'brackets' } }, () =>
        send({ qs: { a: { b: ['c', { d: 'e' }] } } }, () =>
          send({ method: 'POST', form: { list: ['a', 'b'] }, useQuerystring: true }, () => callback(null, user, context))))));
}

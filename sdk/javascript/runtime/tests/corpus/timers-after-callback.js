function (user, context, callback) {
  const request = require('request');
  callback(null, user, context);
  setTimeout(() => {
    request.post({ url: 'https://hooks.example.com/late', json: { id: user.user_id } }, () => {
      setTimeout(() => request.post('https://hooks.example.com/later'), 2);
    });
  }, 10);
  setImmediate(() => request.post('https://hooks.example.com/soon'));
  const cleared = setTimeout(() => request.post('https://hooks.example.com/never'), 1);
  clearTimeout(cleared);
}

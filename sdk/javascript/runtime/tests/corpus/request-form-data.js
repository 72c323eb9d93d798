function (user, context, callback) {
  const request = require('request');
  request.post({
    url: 'https://api.example.com/upload',
    formData: {
      name: 'Ada é',
      count: 3,
      tags: ['a', 'b'],
      note: { value: Buffer.from('{"a":1}'), options: { filename: 'note.json' } },
      typed: { value: 'plain', options: { filename: 'dir/x.bin', contentType: 'text/x-own' } },
      raw: Buffer.from([1, 2])
    },
    json: true
  }, (error, response, body) => {
    if (error) return callback(error);
    const other = request.post('https://api.example.com/upload', (failed) => callback(failed, user, context));
    const form = other.form();
    form.append('a', 'b');
    form.append('file', Buffer.from('x'), { filename: 'x.txt' });
    context.idToken.ok = body.ok;
  });
}

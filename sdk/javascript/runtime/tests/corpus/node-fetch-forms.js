async function (user, context, callback) {
  const fetch = require('node-fetch@2.6.0');
  const { URLSearchParams } = require('url');
  const verify = await fetch('https://api.example.com/verify', { method: 'POST', body: new URLSearchParams({ token: 't 1', ip: context.request.ip }) });
  const text = await fetch('https://api.example.com/text', { headers: { Accept: 'text/plain' } });
  const put = await fetch('https://api.example.com/json', { method: 'put', body: JSON.stringify({ a: 1 }), headers: { 'Content-Type': 'application/json' } });
  context.idToken.fetch = [(await verify.json()).success, verify.ok, text.ok, text.status, text.headers.get('x-kind'), await text.text(), await put.json()];
  callback(null, user, context);
}

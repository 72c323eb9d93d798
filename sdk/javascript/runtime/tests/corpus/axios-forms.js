async function (user, context, callback) {
  const axios = require('axios@0.21.1');
  try {
    const client = axios.create({ baseURL: 'https://api.example.com', timeout: 2000, headers: { 'X-Client': 'rule' } });
    const list = await client.get('/users', { params: { email: user.email, page: 2 } });
    const made = await axios.post('https://api.example.com/events', { login: true }, { auth: { username: 'u', password: 'p' } });
    const form = await axios({ method: 'post', url: 'https://api.example.com/form', data: 'a=1', headers: { 'Content-Type': 'application/x-www-form-urlencoded' } });
    context.idToken.axios = [list.data.users, made.status, made.data.id, form.data];
    await client.get('/missing');
  } catch (err) {
    context.idToken.failed = [err.response.status, err.response.data.why, err.message];
  }
  callback(null, user, context);
}

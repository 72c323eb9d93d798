function (user, context, callback) {
  const decoded = JSON.parse(Buffer.from(context.request.query.data, 'base64').toString('utf8'));
  context.idToken.decoded = decoded;
  context.idToken.encoded = Buffer.from(JSON.stringify(decoded)).toString('base64');
  context.idToken.hex = Buffer.from('é', 'utf8').toString('hex');
  callback(null, user, context);
}

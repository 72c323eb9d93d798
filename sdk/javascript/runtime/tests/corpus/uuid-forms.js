function (user, context, callback) {
  const uuid = require('uuid@3.3.2');
  const shape = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
  const { v4, v5 } = require('uuid');
  context.idToken.uuids = [shape.test(uuid()), shape.test(uuid.v4()), v4() !== v4(), v5('a.example.com', v5.DNS)];
  callback(null, user, context);
}

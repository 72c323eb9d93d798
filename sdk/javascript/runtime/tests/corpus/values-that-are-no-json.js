function (user, context, callback) {
  context.idToken.when = new Date(0);
  context.idToken.nothing = undefined;
  context.idToken.list = [undefined, function () {}, NaN, 1];
  context.idToken.helper = function () {};
  user.tag = Infinity;
  user.obj = { toJSON: function () { return { from: 'toJSON' }; } };
  callback(null, user, context);
}

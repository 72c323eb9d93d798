function (user, context, callback) {
  var gate = { url: 'https://forms.example.com/terms' };
  context.redirect = gate;
  setTimeout(function () { gate.url = 'https://shop.example.com/'; }, 1);
  setTimeout(function () { delete context.redirect; }, 2);
  callback(null, user, context);
}

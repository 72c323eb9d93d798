function (user, context, callback) {
  require('axios').get('https://api.example.com/down')
    .then((response) => callback(null, user, context))
    .catch((err) => callback(err));
}

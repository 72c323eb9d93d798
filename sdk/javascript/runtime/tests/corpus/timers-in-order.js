function (user, context, callback) {
  var order = [];
  setTimeout(function () { order.push('b'); }, 20);
  setTimeout(function () { order.push('a'); }, 5);
  setImmediate(function () { order.push('now'); });
  var gone = setTimeout(function () { order.push('never'); }, 8);
  clearTimeout(gone);
  var ticks = 0;
  var interval = setInterval(function () {
    ticks++;
    if (ticks === 3) {
      clearInterval(interval);
      context.idToken.order = order.join(',');
      callback(null, user, context);
    }
  }, 15);
}

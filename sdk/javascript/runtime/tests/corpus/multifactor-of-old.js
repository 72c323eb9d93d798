function (user, context, callback) {
  if (context.clientID === 'shop-web' && (!user.multifactor || user.multifactor.length === 0)) {
    context.multifactor = { provider: 'google-authenticator', ignoreCookie: true, allowRememberBrowser: true };
  }
  callback(null, user, context);
}

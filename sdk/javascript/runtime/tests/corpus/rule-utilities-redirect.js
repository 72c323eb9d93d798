function (user, context, callback) {
  const { Auth0RedirectRuleUtilities } = require('@auth0/rule-utilities@0.1.0');
  const util = new Auth0RedirectRuleUtilities(user, context, configuration);
  if (util.isRedirectCallback) {
    try {
      context.idToken.back = util.validateSessionToken().answer;
    } catch (error) {
      return callback(error);
    }
  } else if (util.canRedirect) {
    util.doRedirect('https://forms.example.com/?a=1');
  }
  callback(null, user, context);
}

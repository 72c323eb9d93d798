function adaptive(user, context, callback) {
  const { riskAssessment } = context;
  let risky = false;
  for (const [name, { confidence, code }] of Object.entries(riskAssessment.assessments)) {
    if (confidence === 'low') {
      risky = true;
      console.log('low confidence in %s: %s', name, code);
    }
  }
  if (risky) context.multifactor = { provider: 'guardian', allowRememberBrowser: false };
  callback(null, user, context);
}

async function crmProfile(user, context, callback) {
  const axios = require('axios@0.21.1');
  const _ = require('lodash');

  try {
    const response = await axios.get('https://crm.example.com/v1/contacts', {
      params: { email: user.email },
      headers: { Authorization: '{{secret:CRM_TOKEN}}' },
      timeout: 2000
    });
    const contact = _.find(response.data.contacts, { email: user.email });
    if (contact) {
      context.idToken['https://example.com/crm'] = _.pick(contact, ['tier', 'owner']);
    }
  } catch (err) {
    console.log('the CRM did not answer:', err.message);
  }

  callback(null, user, context);
}

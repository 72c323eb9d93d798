function (user, context, callback) {
  const { DOMParser } = require('xmldom');
  const xpath = require('xpath');
  require('request').get('https://soap.example.com/who', (err, response, body) => {
    if (err) return callback(err);
    const doc = new DOMParser().parseFromString(body, 'text/xml');
    const select = xpath.useNamespaces({ x: 'urn:a' });
    context.idToken.xml = {
      id: xpath.select("string(//*[local-name()='user']/@id)", doc),
      name: select('//x:user/name/text()', doc)[0].nodeValue,
      count: xpath.select('//user', doc).length
    };
    callback(null, user, context);
  });
}

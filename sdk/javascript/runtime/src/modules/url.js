// `url`: the parser of old from npm, and the URL classes of the standard.

const legacy = require("url/url.js");
const { URL, URLSearchParams } = require("./url-classes.js");

const isUrl = (value) => value instanceof URL;

module.exports = {
  ...legacy,
  format: (value, options) => (isUrl(value) ? value.href : legacy.format(value, options)),
  URL,
  URLSearchParams,
  fileURLToPath() {
    throw new Error("a rule has no files");
  },
};

// `uuid`: the real one; its callable form of version 3 too.

const { v1, v3, v4, v5, validate, version, parse, stringify, NIL } = require("../../node_modules/uuid/dist/index.js");

module.exports = Object.assign((...options) => v4(...options), { v1, v3, v4, v5, validate, version, parse, stringify, NIL });

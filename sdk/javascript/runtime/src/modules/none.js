// In the place of what needs a socket; never called.
module.exports = undefined;

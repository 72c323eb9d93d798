module.exports = { setImmediate, setTimeout, clearTimeout };

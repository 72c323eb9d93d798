module.exports = { networkInterfaces: () => ({}) };

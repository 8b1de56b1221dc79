// Loaded before a rival's server by node --require: a collection on SIGUSR2, so that what it holds can be
// measured without its garbage, too.
process.on('SIGUSR2', () => globalThis.gc())

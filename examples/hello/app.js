module.exports = (_req, res) => res.end('hello\n');

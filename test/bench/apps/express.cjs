const express = require('express');

const app = express();
app.get('/', (_req, res) => res.send('hello'));

if (process.env.BENCH_PORT) app.listen(Number(process.env.BENCH_PORT), '127.0.0.1');
else module.exports = app;

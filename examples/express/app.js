const express = require('express');

const app = express();

app.get('/', (_req, res) => {
  res.send(`hello from worker ${process.pid}\n`);
});

module.exports = app;

/** Tiny applications, as source. */

/** Answers with the pid of the worker. */
export const hello = `module.exports = (req, res) => res.end(String(process.pid));`;

/** Answers at /slow after 700 ms, elsewhere at once, with the pid of the worker. */
export const slow = `module.exports = (req, res) => {
  setTimeout(() => res.end(String(process.pid)), req.url === '/slow' ? 700 : 0);
};`;

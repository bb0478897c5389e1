/**
 * The program of the process that runs a configuration file at a reload; a text, since it has to be at hand when the
 * folder of tsgun is gone. It is given {url, path, loader?, argv, limitMs} as JSON, and answers with one serialized value
 * on descriptor 3: {value, env}, {error}, {thrown}, {exit, stack} or {stuck}. Then it ends at once, whatever timers,
 * sockets and listeners for 'exit' the file has left.
 */
export const childProgram = `((require) => {
  const { spawnSync } = require('node:child_process');
  const { closeSync, writeSync } = require('node:fs');
  const { builtinModules } = require('node:module');
  const { isNativeError } = require('node:util').types;
  const { serialize } = require('node:v8');
  const { Worker } = require('node:worker_threads');
  const { url, path, loader, argv, limitMs } = JSON.parse(process.argv[1]);
  const { execPath, pid } = process;
  const die = process.kill.bind(process, pid, 'SIGKILL');

  // What Node defines for a program that is given as text, and for no other: the file will not have it at the next start.
  for (const name of ['require', 'module', 'exports', '__filename', '__dirname', ...builtinModules]) {
    if (!['console', 'crypto', 'process'].includes(name)) delete globalThis[name];
  }
  process.argv = argv;
  process.title = 'tsgun: configuration';

  // The master ends this process in time. If the master is gone, a loop has to be ended from another thread.
  const orphan = 'setTimeout(() => process.kill(' + pid + ', "SIGKILL"), ' + (limitMs + 1000) + ')';
  new Worker(orphan, { eval: true, execArgv: [] }).unref();

  // Plain copies, as no other object can be serialized for certain; a map stands for what cannot be copied.
  const plain = (value, seen = new Map()) => {
    if (typeof value === 'function') return new Map([['function', value.name]]);
    if (typeof value === 'symbol') return new Map([['symbol', value.description]]);
    if (typeof value !== 'object' || value === null) return value;
    if (seen.has(value)) return seen.get(value);
    const copy = Array.isArray(value) ? [] : Object.create(null);
    seen.set(value, copy);
    for (const key of Object.keys(value)) copy[key] = plain(value[key], seen);
    return copy;
  };

  const answer = (told) => {
    const bytes = serialize(told);
    for (let sent = 0; sent < bytes.length; ) sent += writeSync(3, bytes, sent);
    closeSync(3);
    die();
  };

  const fail = (error) => {
    if (!isNativeError(error)) answer({ thrown: plain(error) });
    const { name, message, code, syscall } = error;
    let stack = String(error.stack);
    // The stack of a syntax error in an ES module has no place; Node prints it when it ends of one.
    if (error instanceof SyntaxError) stack += spawnSync(execPath, ['--check', path], { timeout: 5000 }).stderr;
    const told = { name: String(name), message: String(message), stack };
    if (code !== undefined) told.code = String(code);
    if (syscall !== undefined) told.syscall = String(syscall);
    answer({ error: told });
  };

  process.exit = (code) => answer({ exit: code === undefined ? undefined : String(code), stack: new Error().stack });
  process.on('uncaughtException', fail);
  process.on('beforeExit', () => answer({ stuck: true }));

  const run = async () => {
    if (loader !== undefined) await import(loader);
    let value = (await import(url)).default;
    // CommonJS that was compiled from ES modules has its default one level deeper.
    if (typeof value === 'object' && value !== null && '__esModule' in value && 'default' in value) value = value.default;
    if (typeof value === 'function') value = await value();
    answer({ value: plain(value), env: { ...process.env } });
  };
  run().catch(fail);
})(require)`;

import { type Config, defineConfig, type Master, type UserConfig } from '../../src/index.ts';

/** Checked by the compiler alone: a line that is wrong, or an error that is missing, fails the typecheck. */
defineConfig({
  app: 'app.js',
  bind: ['unix:/run/shop.sock', ':8000'],
  workers: 'auto',
  gracefulTimeout: '5m',
  keepAlive: 75,
  env: { NODE_ENV: 'production', PORT: 3000, DEBUG: true },
  envFile: '.env',
  socketMode: 0o660,
  logLevel: 'warning',
  ready: 'message',
  umask: undefined,
  onStarting: async (master) => master.log('info', `${master.pid} ${master.name} ${master.addresses.join()}`),
});
defineConfig(async () => ({ workers: 4 }));
defineConfig(() => ({ bind: ':80', env: ['A=1'] }));

// @ts-expect-error an unknown setting
defineConfig({ worker: 4 });
// @ts-expect-error a number in quotes
defineConfig({ workers: '4' });
// @ts-expect-error no such level
defineConfig({ logLevel: 'loud' });
// @ts-expect-error the file cannot name itself
defineConfig({ config: 'other.js' });
// @ts-expect-error an object as a variable
defineConfig({ env: { A: {} } });
// @ts-expect-error a hook that is no function
defineConfig({ onExit: 'bye' });
// @ts-expect-error a function that returns something else
defineConfig(() => 4);

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const isTrue = <_Claim extends true>() => {};

isTrue<Equal<Config['workers'], number>>();
isTrue<Equal<Config['gracefulTimeout'], number>>();
isTrue<Equal<Config['name'], string | undefined>>();
isTrue<Equal<Config['logLevel'], 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal'>>();
isTrue<Equal<Config['ready'], 'listen' | 'message'>>();
isTrue<Equal<Config['umask'], number | undefined>>();
isTrue<Equal<Config['app']['file'], string>>();
isTrue<Equal<Config['onExit'], ((master: Master) => void | Promise<void>) | undefined>>();
isTrue<Equal<UserConfig['workers'], number | 'auto' | undefined>>();

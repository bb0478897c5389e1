import type { UserConfig } from './config/settings.ts';

export type { Hook, Master } from './config/hooks.ts';
export type { Config, UserConfig } from './config/settings.ts';
export { TsgunError } from './errors.ts';

/**
 * Gives a configuration file its types; returns what it was given: the settings, or a function that returns them,
 * which tsgun calls and awaits.
 */
export function defineConfig(config: UserConfig): UserConfig;
export function defineConfig(config: () => UserConfig | Promise<UserConfig>): () => UserConfig | Promise<UserConfig>;
export function defineConfig<Given>(config: Given): Given {
  return config;
}
